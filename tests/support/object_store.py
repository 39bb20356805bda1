"""An S3 server on loopback."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class ObjectStore:
    """A server with a bucket, which is used through Arrow.

    Attributes:
        endpoint: its URL.
    """

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._options = f"endpoint_override={self.endpoint}"

    def address(self, name: str) -> str:
        """Return the address of something in the bucket, whose name is escaped."""
        return f"s3://bucket/{name}?{self._options}"

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
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server.start()
        try:
            _, port = server.get_host_and_port()
            store = ObjectStore(port)
            store.make_bucket()
            yield store
        finally:
            server.stop()
