"""An S3 server on loopback."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread
from typing import Any

import pytest

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]


@dataclass
class Refusal:
    """How the server answers some requests.

    Attributes:
        methods: of these requests.
        name: what the names of their objects have.
        status: of the answer.
        code: S3's name for the error.
        times: how often; afterwards they are answered as all others.
    """

    methods: tuple[str, ...]
    name: str
    status: HTTPStatus
    code: str
    times: float = float("inf")


class ObjectStore:
    """A server with a bucket, which is used through Arrow.

    Attributes:
        endpoint: its URL.
        refusals: what it does not do.
    """

    def __init__(self, application: Application) -> None:
        self.endpoint = ""
        self.refusals: list[Refusal] = []
        self._application = application

    def __call__(self, environ: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, as PEP 3333 says."""
        from werkzeug import Request, Response

        request = Request(environ)
        for refusal in self.refusals:
            named = request.method in refusal.methods and refusal.name in request.path
            if named and refusal.times > 0:
                refusal.times -= 1
                request.get_data()  # the connection goes on with another request
                body = f"<Error><Code>{refusal.code}</Code></Error>"
                return Response(body, refusal.status)(environ, start_response)
        return self._application(environ, start_response)

    def address(self, name: str) -> str:
        """Return the address of something in the bucket, whose name is escaped."""
        return f"s3://bucket/{name}?endpoint_override={self.endpoint}"

    def put(self, name: str, data: bytes) -> str:
        """Store an object, and return its address."""
        from pyarrow import fs

        files, path = fs.FileSystem.from_uri(self.address(name))
        with files.open_output_stream(path, compression=None) as stream:
            stream.write(data)
        return self.address(name)

    def get(self, folder: str) -> dict[str, bytes]:
        """Return the objects in a folder by their names, in order."""
        from pyarrow import fs

        files, path = fs.FileSystem.from_uri(self.address(folder))
        found = files.get_file_info(fs.FileSelector(path))
        names = sorted(each.base_name for each in found if each.is_file)
        return {name: files.open_input_file(f"{path}/{name}").read() for name in names}

    def make_bucket(self) -> None:
        """Make the bucket."""
        from pyarrow import fs

        files, _ = fs.FileSystem.from_uri(f"{self.address('')}&allow_bucket_creation=true")
        files.create_dir("bucket")


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run the server while the block runs, with an environment in which Arrow can use it."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    store = ObjectStore(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, store, True, request_handler=MotoRequestHandler)
    store.endpoint = f"http://127.0.0.1:{server.port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            store.make_bucket()
            yield store
        finally:
            server.shutdown()
            thread.join()
