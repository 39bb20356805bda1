"""A Hub on the loopback interface, which serves files to the real huggingface-hub client.

It speaks the part of the Hub's protocol that a download needs, keeps every request for the test to
look at, and misbehaves on demand.
"""

import hashlib
import json
import re
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .run import environment

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOR_EVER = 3600  # seconds of a silence that only `Hub.go_on` ends

_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>(?s:.+))")
_TREE = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)")
_INFO = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)")


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong.

    Attributes:
        target: ``file``, or ``list`` for what is asked about a repository.
        method: the requests it befalls; None for all of them.
        times: how many of them; the ones after that go well.
        status: answered instead of the file.
        error_code: the Hub's name of the error, such as ``GatedRepo``.
        headers: added to the answer, over those that it would have.
        cut_at: bytes of the body after which the connection is closed.
        flip_at: byte of the body that is sent inverted.
        extra: sent after the announced end of the body.
        stall_at: bytes of the body after which nothing comes for ``stall_seconds``.
        silent_seconds: before there is any answer; `Hub.go_on` ends either wait.
        hang_up: close the connection instead of answering.
        body: sent instead of a list.
    """

    target: str = "file"
    method: str | None = "GET"
    times: int = 1_000_000
    status: int | None = None
    error_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    flip_at: int | None = None
    extra: bytes = b""
    stall_at: int | None = None
    stall_seconds: float = 0
    silent_seconds: float = 0
    hang_up: bool = False
    body: bytes | None = None


@dataclass(frozen=True)
class Request:
    """A request that came in; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Repository:
    """The files of each commit, and the commit of each branch or tag."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]

    def resolve(self, revision: str) -> str | None:
        """Return the commit of a revision."""
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


class Hub:
    """The server's state: what it has, what it was asked, and what is to go wrong."""

    def __init__(self, home: Path) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.small_files: set[str] = set()
        self.ranges = True
        self.address = ""
        self.goes_on = threading.Event()
        self._home = home
        self._lock = threading.Lock()

    def add(
        self,
        repository: str,
        files: Mapping[str, bytes],
        commit: str = COMMIT,
        branch: str = "main",
    ) -> None:
        """Put files into a repository at a commit, which becomes the head of a branch."""
        kept = self.repositories.setdefault(repository, Repository({}, {}))
        kept.commits[commit] = dict(files)
        kept.branches[branch] = commit

    def fail(self, fault: Fault) -> None:
        """Let matching requests for files go wrong from now on, until `recover`."""
        with self._lock:
            self.faults.append(fault)

    def recover(self) -> None:
        """Answer well again."""
        with self._lock:
            self.faults.clear()

    def go_on(self) -> None:
        """End the silences under way, and have none from now on."""
        self.goes_on.set()

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a run that has this Hub and an empty home."""
        ours = {"HF_ENDPOINT": self.address, "HF_HUB_OFFLINE": "0"}
        return environment(self._home, **{**ours, **changes})

    def snapshot(self, repository: str, commit: str = COMMIT) -> Path:
        """Return the folder that the client's cache has for a commit."""
        return self.cache / f"models--{repository.replace('/', '--')}" / "snapshots" / commit

    @property
    def cache(self) -> Path:
        """The client's cache."""
        return self._home / "huggingface" / "hub"

    def fault_for(self, target: str, method: str) -> Fault:
        """Return what is to go wrong with a request, if anything, and count it off."""
        with self._lock:
            for index, fault in enumerate(self.faults):
                if fault.times > 0 and fault.target == target and fault.method in (None, method):
                    self.faults[index] = replace(fault, times=fault.times - 1)
                    return fault
        return Fault()


def object_id(content: bytes, *, small: bool = False) -> str:
    """Return the id that the Hub gives to a file: of a small one the name of its git blob."""
    if small:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return hashlib.sha256(content).hexdigest()


@contextmanager
def serving(home: Path, tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """Run an empty Hub for clients whose home is a folder, until the block ends."""
    hub = Hub(home)

    class Handler(_Handler):
        state = hub

    server = _Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    hub.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # or the kernel lets clients that come together wait for a second

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_arguments: object) -> None:
        pass

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.state.requests.append(Request(self.command, self.path, headers))
        try:
            self._route(unquote(urlsplit(self.path).path))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, path: str) -> None:
        # The client quotes the slashes of a revision, which `unquote` has made plain again; no
        # test needs such a revision.
        match = _RESOLVE.fullmatch(path)
        fault = self.state.fault_for("file" if match else "list", self.command)
        self.state.goes_on.wait(fault.silent_seconds)
        if fault.hang_up:
            self.close_connection = True
        elif fault.status is not None:
            self._refuse(fault.status, fault.error_code, fault.headers)
        elif match:
            self._send_file(match["repository"], match["revision"], match["name"], fault)
        elif fault.body is not None:
            self._send_body_of_list(fault.body)
        elif match := _TREE.fullmatch(path):
            self._send_tree(match["repository"], match["revision"])
        elif match := _INFO.fullmatch(path):
            self._send_info(match["repository"], match["revision"])
        else:
            self._refuse(404, None)

    def _files(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        kept = self.state.repositories.get(repository)
        if kept is None:
            # As the Hub does, which does not tell a stranger what is private.
            self._refuse(401, "RepoNotFound")
            return None
        commit = kept.resolve(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound")
            return None
        return commit, kept.commits[commit]

    def _send_tree(self, repository: str, revision: str) -> None:
        found = self._files(repository, revision)
        if found:
            self._send_json([self._entry(name, content) for name, content in found[1].items()])

    def _send_info(self, repository: str, revision: str) -> None:
        found = self._files(repository, revision)
        if found:
            commit, files = found
            siblings = [{"rfilename": name} for name in files]
            self._send_json({"id": repository, "sha": commit, "siblings": siblings})

    def _entry(self, name: str, content: bytes) -> dict[str, object]:
        small = name in self.state.small_files
        entry: dict[str, object] = {
            "type": "file",
            "path": name,
            "size": len(content),
            "oid": object_id(content, small=True),
        }
        if not small:
            entry["lfs"] = {"oid": object_id(content), "size": len(content), "pointerSize": 134}
        return entry

    def _send_file(self, repository: str, revision: str, name: str, fault: Fault) -> None:
        found = self._files(repository, revision)
        if found is None:
            return
        commit, files = found
        if name not in files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        content = files[name]
        start = self._range_start()
        identity = object_id(content, small=name in self.state.small_files)
        headers = {
            "ETag": f'"{identity}"',
            "X-Linked-Etag": f'"{identity}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": commit,
            "Accept-Ranges": "bytes",
            "Content-Length": str(len(content) - start),
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send_response(206 if start else 200)
        self._send_headers({**headers, **fault.headers})
        if self.command == "GET":
            self._send_body(content, start, fault)

    def _send_body(self, content: bytes, start: int, fault: Fault) -> None:
        body = bytearray(content)
        if fault.flip_at is not None:
            body[fault.flip_at % len(body)] ^= 0xFF
        end = len(body) if fault.cut_at is None else fault.cut_at
        if fault.stall_at is not None:
            self.wfile.write(body[start : fault.stall_at])
            self.wfile.flush()
            self.state.goes_on.wait(fault.stall_seconds)
            start = max(start, fault.stall_at)
        self.wfile.write(body[start:end] + fault.extra)
        if fault.cut_at is not None or fault.extra:
            self.close_connection = True

    def _range_start(self) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match and self.state.ranges else 0

    def _send_json(self, value: object) -> None:
        self._send_body_of_list(json.dumps(value).encode())

    def _send_body_of_list(self, body: bytes) -> None:
        self.send_response(200)
        self._send_headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _refuse(
        self, status: int, error_code: str | None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        code = {"X-Error-Code": error_code} if error_code else {}
        self._send_headers({"Content-Length": "0", **code, **(headers or {})})

    def _send_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
