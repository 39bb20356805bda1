"""Entry point of ``distil`` and ``python -m distilgpt2_cli``."""

# Until `signals.install_handlers` runs, Ctrl-C ends the program at once: Python would show a
# traceback. `_signal`, because the module `signal` imports others first.
import _signal  # type: ignore[import-not-found]

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import os
import sys
from contextlib import suppress

from .errors import ExitStatus, ReaderGoneError
from .failures import explained


def main() -> None:
    """Run the command line and exit with one of the statuses of `ExitStatus`."""
    from . import signals

    _hold_closed_streams()
    try:
        signals.install_handlers()
        status = _run()
        signals.restore_defaults()
    except KeyboardInterrupt:
        status = ExitStatus.INTERRUPTED
    if status == ExitStatus.INTERRUPTED and signals.received:
        status = 128 + signals.received  # typer turns every interrupt into the status of Ctrl-C
    if status in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED):
        # At once: a model may still be loading in a thread, which an ordinary exit waits for.
        signals.end_at_once(status)
    sys.exit(status)


def _hold_closed_streams() -> None:
    """Let no other file get the number of a standard stream, which libraries write to."""
    try:
        while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
            pass
        os.close(descriptor)
    except OSError:  # there are no more descriptors: what needs one reports it
        pass


def _run() -> int:
    arguments = sys.argv[1:]
    try:
        from .terminal.output import take_streams

        take_streams()
        from .cli.instant import answer

        if not answer(arguments, os.environ):
            return _parse(arguments)
    except ReaderGoneError:
        _end_as_sigpipe_does()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.FAILED
    except Exception as error:
        if os.environ.get("DISTIL_DEBUG") == "1":
            _write_error(getattr(error, "origin", ""))
            raise
        return _report(error)
    return ExitStatus.DONE


def _parse(arguments: list[str]) -> int:
    # Nothing of what is imported is garbage, and looking for some takes a tenth of a start. The app
    # turns this on again for the command.
    gc.disable()
    if any(not argument.startswith("-") for argument in arguments):
        _prepare_engine(arguments)
    if os.environ.get("_DISTIL_COMPLETE"):  # a shell asks for completions
        from .cli.completion import check_question

        check_question(os.environ)
        # typer would import it, in 0.1 s, to take markup out of summaries that have none.
        sys.modules["rich"] = None  # type: ignore[assignment]
    from .cli.app import run

    return run(arguments)


def _prepare_engine(arguments: list[str]) -> None:
    from .cli.early import begin_early
    from .engine.llama.aborts import report_aborts

    report_aborts(_report)
    begin_early(arguments, os.environ)


def _report(error: Exception) -> int:
    known = explained(error)
    try:
        from .cli.shared.errors import show_error
        from .terminal import Terminal

        show_error(Terminal.system(), known)
    except (OSError, ImportError, MemoryError):  # what is wanting may be wanted for this, too
        _write_error(f"Error: {known}\n")
    return known.status


def _write_error(text: str) -> None:
    with suppress(OSError):  # there is no standard error
        os.write(2, text.encode(errors="backslashreplace"))


def _end_as_sigpipe_does() -> None:
    """End quietly by SIGPIPE itself, so that the shell sees the same as for other filters."""
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGPIPE)


if __name__ == "__main__":
    main()
