"""Quantizes a model file in a separate process, which llama.cpp may end without harm.

    python -m distilgpt2_cli.children.quantizing DESCRIPTOR

The descriptor is its end of a connection, on which it gets what to do; it sends the bytes that are
done, and at the end its notices or an error. It ends when the other end is closed, whatever it
does then.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from ..child import started
from ..errors import DistilError, ModelDamagedError
from ..failures import explained

if TYPE_CHECKING:
    from ..engine.llama.quantizing import ImportanceMatrix


class _Request(NamedTuple):
    """The arguments of `quantize`."""

    source: Path
    target: Path
    quantization: str
    pure: bool
    importance: "ImportanceMatrix | None"
    threads: int | None


def quantize(
    source: Path,
    target: Path,
    quantization: str,
    *,
    pure: bool = False,
    importance: "ImportanceMatrix | None" = None,
    threads: int | None = None,
    advance: Callable[[int], object] = lambda _count: None,
) -> tuple[str, ...]:
    """Write a model with other types of weights, and make sure that it can be used.

    Args:
        source: a GGUF file, or the first one of a split model, with 32-bit or 16-bit floats.
        target: the new file, for example as `files.new_file` gives it.
        quantization: one of `engine.quantizations.QUANTIZATIONS`, case-insensitive.
        pure: give all matrices this one type, also where the quantization is a mix of types.
        importance: what matters most, as `engine.evaluate.importance` measures it.
        threads: by default as many as there are cores; the bytes are the same with any number.
        advance: takes the bytes of the source that are done, tensor by tensor.

    Returns:
        Notices: sentences about what was done differently.

    Raises:
        ParameterError: there is no such quantization.
        UsageError: the source is already quantized.
        ModelDamagedError: llama.cpp can't load the source, or what was made of it.
        OSError: the target can't be written.
        DistilError: llama.cpp can't quantize it, or the process was ended.
    """
    request = _Request(source, target, quantization, pure, importance, threads)
    try:
        process, connection = started(__name__)
    except OSError as error:  # it is not the target that can't be written
        raise explained(error) from error
    with connection:
        try:
            with suppress(OSError):  # it has died: that is seen when its answer is waited for
                connection.send(request)
            return _answer(connection, advance)
        except (EOFError, ConnectionError):
            raise _ended(process.wait(), source) from None
        finally:
            process.kill()
            process.wait()


def _answer(
    connection: "Connection[_Request, Any]", advance: Callable[[int], object]
) -> tuple[str, ...]:
    while True:
        message = connection.recv()
        if isinstance(message, Exception):
            raise message
        if isinstance(message, tuple):
            return message
        advance(message)


def _ended(status: int, source: Path) -> DistilError:
    """Return the error of a process that ended without an answer."""
    number = -status
    if number == signal.SIGKILL:
        return DistilError(
            f"The system ended the process that quantizes {source}, as for want of memory.",
            "Close other programs, then run the command again.",
        )
    how = signal.strsignal(number) if number > 0 else f"status {status}"
    return ModelDamagedError(
        f"llama.cpp crashed while quantizing {source} ({how}).",
        "Check that it is a whole GGUF file of a language model, or convert the model again.",
    )


def _main(descriptor: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the process that has the terminal
    connection: Connection[Any, _Request] = Connection(descriptor)
    try:
        request = connection.recv()
        Thread(target=_wait_for_end, args=(connection,), daemon=True).start()
        connection.send(_result(request, connection.send))
    except (EOFError, OSError):  # nobody is there any more
        pass
    finally:
        os._exit(0)  # at once: there is nothing to be saved


def _result(request: _Request, send: Callable[[Any], None]) -> tuple[str, ...] | Exception:
    """Do what is asked, and return its notices or what it has raised."""
    try:
        from ..engine.llama.aborts import report_aborts
        from ..engine.llama.quantizing import quantize

        report_aborts(send)
        return quantize(
            request.source,
            request.target,
            request.quantization,
            pure=request.pure,
            importance=request.importance,
            threads=request.threads,
            advance=send,
        )
    except OSError as error:
        return error
    except Exception as error:
        return explained(error)


def _wait_for_end(connection: "Connection[Any, _Request]") -> None:
    """End the process when the other one does: llama.cpp may compute for long."""
    with suppress(EOFError, OSError):
        connection.recv()
    os._exit(0)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
