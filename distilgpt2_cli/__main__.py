"""Entry point of ``distil`` and ``python -m distilgpt2_cli``."""

import os
import signal
import sys
from types import FrameType

from .errors import DistilError, ExitStatus, ReaderGoneError

_received = 0
"""The signal that the run was asked to end by."""


def main() -> None:
    """Run the command line and exit with one of the statuses of `ExitStatus`."""
    status = _run()
    if status == ExitStatus.INTERRUPTED and _received:
        status = 128 + _received  # typer turns every interrupt into the status of Ctrl-C
    if status in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED):
        # At once: a model may still be loading in a thread, which an ordinary exit waits for.
        os._exit(status)
    sys.exit(status)


def _run() -> int:
    try:
        _heed_signals()
        from .cli.early import begin_early
        from .engine.aborts import tell_aborts

        tell_aborts(_tell)
        begin_early(sys.argv[1:], os.environ)
        from .cli.app import make_app

        make_app(sys.argv[1:])(prog_name="distil")
    except ReaderGoneError:
        _end_as_sigpipe_does()
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.FAILED
    except Exception as error:
        if os.environ.get("DISTIL_DEBUG") == "1":
            raise
        return _tell(error)
    return ExitStatus.DONE


def _heed_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, or in the background
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    """Raise what ends the run in order; the same signal once more ends it at once."""
    global _received
    _received = number
    signal.signal(number, signal.SIG_DFL)
    interrupts = sys.modules.get("distilgpt2_cli.engine.interrupts")
    if interrupts is None:
        raise KeyboardInterrupt
    interrupts.interrupt(KeyboardInterrupt())


def _tell(error: Exception) -> int:
    from .terminal import Terminal

    if not isinstance(error, DistilError):
        error = DistilError(
            f"distil met an error that it does not know: {type(error).__name__}: {error}.",
            "Run it again with DISTIL_DEBUG=1 and report what it prints.",
        )
    Terminal.system().failure(error)
    return error.status


def _end_as_sigpipe_does() -> None:
    """End quietly by the signal itself, so that the shell sees what it sees of other filters."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)


if __name__ == "__main__":
    main()
