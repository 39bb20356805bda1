"""Programs in children of a process that has them imported: runs without the cost of a start.

python -m tests.support.fork_server DESCRIPTOR PROGRAM: each message on this Unix socket has the
folder, the streams and a socket of a run of distil, or of llm with distil as its plugin. The
arguments and the environment come through the socket of the run, and the number of its process and
its exit status go there; if it is closed before, the run is killed. The server ends when the first
socket is closed, as it is when the process at its other end ends, however that may be.
"""

import atexit
import fcntl
import gc
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TypeAlias

from tests.support.forked_process import NUMBER, ForkedProcess

_ROOT = Path(__file__).parents[2]
# Variables that nothing reads before the command runs. Any other may change how Python or a library
# starts, as PYTHON…, LC_…, LD_… and OMP_… do.
_SAFE = {
    "PATH", "HOME", "TERM", "COLUMNS", "LINES", "NO_COLOR", "TMPDIR", "SHELL", "NO_PROXY",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "TRANSFORMERS_OFFLINE", "_DISTIL_COMPLETE", "COMP_WORDS", "COMP_CWORD",
}  # fmt: skip
_SAFE_PREFIXES = ("HF_", "HUGGING_FACE_", "HUGGINGFACE_", "DISTIL_", "XDG_")
# All of these, whose parts a command imports when it needs them; but nothing that reads the
# environment when it is imported.
_IMPORTED = ("batches", "choosing", "cli", "editor", "engine", "probing", "terminal", "workers")
_OF_THE_HUB = ("asyncio", "filelock", "httpx2", "tqdm.asyncio", "yaml")  # what its client imports
_READING = "huggingface_hub"
_LENGTH = struct.Struct("!q")
_RUN = b"r"
_Pipe: TypeAlias = "io.BufferedReader[io.FileIO]"
_MAX_DESCRIPTORS = 1024  # more than the server ever has: five, and a socket for each run
_DESCRIPTORS = 5  # the folder, the three streams, and the socket of the run


class ForkServer:
    """A process that runs a program in children, and starts when it is needed first."""

    def __init__(
        self,
        environment: Mapping[str, str],
        program: str = "distil",
        launcher: Sequence[str] = (),
    ) -> None:
        """Have variables that the server starts with, and so each run, and what starts it."""
        self._environment = environment
        self._program = program
        self._launcher = launcher
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def imitates(self, env: Mapping[str, str]) -> bool:
        """Tell whether a child is like a process that starts in this environment."""
        others = env.keys() - self._environment.keys()
        return self._environment.items() <= env.items() and all(
            name.upper() in _SAFE or name.startswith(_SAFE_PREFIXES) for name in others
        )

    def run(
        self,
        arguments: Sequence[str | bytes],
        env: Mapping[str, str],
        stdin: bytes,
        timeout: float,
        folder: Path = Path(),
    ) -> tuple[int, bytes, bytes]:
        """Run the program in a folder with pipes to its end.

        Returns:
            Its exit status, negative for a signal, and what it wrote to its two streams.

        Raises:
            TimeoutExpired: it has not ended after this many seconds, and is killed.
        """
        deadline = time.monotonic() + timeout
        to_child, process = self.piped(arguments, env, folder)
        assert process.stdout
        assert process.stderr
        with process, to_child:
            try:
                streams = (process.stdout, process.stderr)
                output, errors = _exchanged(to_child, streams, stdin, deadline)
                status = process.wait(max(deadline - time.monotonic(), 0.001))
            except BaseException as error:
                process.kill()
                if isinstance(error, TimeoutError):
                    raise subprocess.TimeoutExpired(str(arguments), timeout) from None
                raise
        return status, output, errors

    def piped(
        self, arguments: Sequence[str | bytes], env: Mapping[str, str], folder: Path = Path()
    ) -> tuple[io.FileIO, ForkedProcess]:
        """Start the program with pipes, and return the end of its standard input too."""
        (child_in, to_child), (from_out, child_out), (from_err, child_err) = (
            os.pipe() for _ in range(3)
        )
        streams = (child_in, child_out, child_err)
        try:
            run = self.start(arguments, env, streams, folder)
        except BaseException:
            for descriptor in (to_child, from_out, from_err):
                os.close(descriptor)
            raise
        finally:
            for descriptor in streams:
                os.close(descriptor)
        return io.FileIO(to_child, "w"), ForkedProcess(run, from_out, from_err)

    def start(
        self,
        arguments: Sequence[str | bytes],
        env: Mapping[str, str],
        streams: Sequence[int],
        folder: Path = Path(),
        *,
        leads_session: bool = False,
    ) -> socket.socket:
        """Start the program with these streams, and return the socket of the run.

        Its standard input is the terminal of its own session, if it leads one.
        """
        texts = [os.fsdecode(each) for each in arguments]
        request = json.dumps([texts, dict(env), leads_session]).encode()
        ours, theirs = socket.socketpair()
        handed = os.open(folder, os.O_RDONLY)
        try:
            with self._lock:
                control = self._started()
                socket.send_fds(control, [_RUN], [handed, *streams, theirs.fileno()])
                _received(control, len(_RUN))
            ours.sendall(_LENGTH.pack(len(request)) + request)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(handed)
        return ours

    def _started(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                number = str(theirs.fileno())
                process = subprocess.Popen(
                    [*self._launcher, sys.executable, "-m", __name__, number, self._program],
                    cwd=_ROOT,
                    env={"PATH": os.environ["PATH"], "HOME": os.devnull, **self._environment},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            atexit.register(_end, self._control, process)
        return self._control


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.shutdown(socket.SHUT_RDWR)  # also for children, which may hold it
    control.close()
    process.wait()


def _exchanged(
    to_child: io.FileIO, from_child: Sequence[_Pipe], stdin: bytes, deadline: float
) -> tuple[bytes, bytes]:
    """Write to a pipe and read from the two others, all to their ends."""
    rest = memoryview(stdin)
    read: dict[_Pipe, list[bytes]] = {pipe: [] for pipe in from_child}
    os.set_blocking(to_child.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(to_child, selectors.EVENT_WRITE, to_child)
        for pipe in from_child:
            selector.register(pipe, selectors.EVENT_READ, pipe)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready and time.monotonic() >= deadline:
                raise TimeoutError
            for key, _ in ready:
                pipe = key.data
                if pipe is to_child:
                    with suppress(BrokenPipeError):
                        rest = rest[pipe.write(rest) if rest else 0 :]
                        if rest:
                            continue
                elif data := pipe.read1(2**16):
                    read[pipe].append(data)
                    continue
                selector.unregister(pipe)
                pipe.close()
    output, errors = (b"".join(read[pipe]) for pipe in from_child)
    return output, errors


def _received(connection: socket.socket, size: int) -> bytes:
    """Return this many bytes, or nothing if the other end is closed before."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data


def _serve(control: socket.socket, program: ModuleType, main: Callable[[], object]) -> None:
    """Fork for each message, and report how the children end, until the socket is closed."""
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which close the socket
    runs: dict[int, socket.socket] = {}  # of each child
    with selectors.DefaultSelector() as selector:
        for each in (control, wake):
            selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wake:
                    wake.recv(4096)
                    for child, status in _ended_children():
                        selector.unregister(runs[child])
                        with runs.pop(child) as run, suppress(OSError):
                            run.sendall(NUMBER.pack(status))
                elif key.fileobj is control:
                    message, handed, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
                    if message:  # macOS may lose what is closed before it arrives
                        control.sendall(message)
                    else:
                        for child in runs:
                            os.kill(child, signal.SIGKILL)
                        return
                    run = socket.socket(fileno=handed.pop())
                    forked = _forked(run, handed, program, main)
                    if forked is not None:
                        runs[forked] = run
                        with suppress(OSError):
                            run.sendall(NUMBER.pack(forked))
                        selector.register(run, selectors.EVENT_READ, forked)
                elif key.data in runs:  # nobody waits for this run any more
                    os.kill(key.data, signal.SIGKILL)


def _ended_children() -> list[tuple[int, int]]:
    found = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append((ended[0], os.waitstatus_to_exitcode(ended[1])))
    return found


def _forked(
    run: socket.socket, handed: Sequence[int], program: ModuleType, main: Callable[[], object]
) -> int | None:
    """Start a run and return its process, or None if who wants it ends before asking."""
    length = _received(run, _LENGTH.size)
    request = length and _received(run, *_LENGTH.unpack(length))
    # A child that is interrupted while it still ignores that is to end as soon as it does not.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    child = os.fork() if request else None
    if child == 0:
        try:
            arguments, env, leads_session = json.loads(request)
            _become_new(handed, arguments, env, program, main, leads_session=leads_session)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(70)  # of no command
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    for descriptor in handed:
        os.close(descriptor)
    return child


def _become_new(
    handed: Sequence[int],
    arguments: list[str],
    env: Mapping[str, str],
    program: ModuleType,
    main: Callable[[], object],
    *,
    leads_session: bool,
) -> NoReturn:
    """Be what ``python -m`` makes of a program in the folder and with the streams handed over."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    folder, *streams = handed
    os.fchdir(folder)
    for standard, descriptor in enumerate(streams):
        os.dup2(descriptor, standard)
    os.closerange(3, _MAX_DESCRIPTORS)
    if leads_session:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [str(program.__file__), *arguments]
    with suppress(OSError):  # the folder is gone
        sys.path[0] = os.getcwd()  # noqa: PTH109
    sys.modules["__main__"] = program
    for name in ("stdin", "stdout", "stderr"):
        stream = _like(getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    gc.enable()
    os._exit(_status_of(main))


def _like(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a new stream for the descriptor of one that Python made when it started."""
    raw = io.FileIO(stream.fileno(), "r" if stream.readable() else "w", closefd=False)
    buffer = io.BufferedReader(raw) if stream.readable() else io.BufferedWriter(raw)
    line_buffering = stream.line_buffering or raw.isatty()
    return io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=line_buffering)


def _status_of(main: Callable[[], object]) -> int:
    """Run a program, and do what Python does at its end."""
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code & 0xFF if isinstance(end.code, int) else bool(end.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception as error:
            print(f"Exception ignored in: {stream!r}\n{error!r}", file=sys.stderr)
            status = 120
    return status


def _import_distil() -> tuple[ModuleType, Callable[[], object]]:
    program = import_module("distilgpt2_cli.__main__")
    for name in _IMPORTED:
        package = import_module(f"distilgpt2_cli.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    for name in _OF_THE_HUB:
        import_module(name)
    return program, program.main


def _import_llm() -> tuple[ModuleType, Callable[[], object]]:
    program = import_module("llm.__main__")
    return program, program.cli


def _main(descriptor: int, name: str) -> None:
    program, main = _import_llm() if name == "llm" else _import_distil()
    assert _READING not in sys.modules
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=descriptor), program, main)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2])
