"""Entry point of ``distil`` and ``python -m distilgpt2_cli``."""

import os
import signal
import sys

from .errors import DistilError, ExitStatus, ReaderGoneError


def main() -> None:
    """Run the command line and exit with one of the statuses of `ExitStatus`."""
    sys.exit(_run())


def _run() -> int:
    try:
        from .cli.early import begin_early
        from .engine.aborts import tell_aborts

        tell_aborts(_tell)
        begin_early(sys.argv[1:], os.environ)
        from .cli.app import app

        app(prog_name="distil")
    except ReaderGoneError:
        _end_as_sigpipe_does()
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except Exception as error:
        if os.environ.get("DISTIL_DEBUG") == "1":
            raise
        return _tell(error)
    return ExitStatus.DONE


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
