"""The editor on the terminal, from its start until it is quit or ended by a signal."""

import asyncio
import errno
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prompt_toolkit.application import Application
from prompt_toolkit.output.color_depth import ColorDepth

from ..signals import not_ignored
from .editor import Editor
from .keys import NameLine, bindings, is_pasted
from .screen import COLOURS, NO_COLOURS, Screen
from .suggestions import Settings, Suggester
from .text_file import TextFile

if TYPE_CHECKING:
    from ..engine import Generator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What follows an escape character within this time, in seconds, is one key with it.
_ESCAPE_SECONDS = 0.1


class End(NamedTuple):
    """How the editor ended.

    Attributes:
        signal: the number of the signal that ended it, 0 if the user quit.
        kept: the recovery file of a text that was not saved, or None.
    """

    signal: int
    kept: Path | None


class EditorApp:
    """An editor that uses the whole terminal."""

    def __init__(
        self,
        file: TextFile,
        generator: "Generator",
        model: str,
        settings: Settings,
        seed: int,
        *,
        colours: bool,
        message: str = "",
    ) -> None:
        """Edit a file with suggestions from a generator; these settings are the first."""
        self._suggester = Suggester(generator, self._redraw)
        self._editor = editor = Editor(file, settings, seed, self._suggester, self._quit)
        self._signal = 0
        self._kept: Path | None = None
        name = NameLine(editor.buffer)
        self._app: Application[None] = Application(
            Screen(editor, name, model).layout,
            key_bindings=bindings(editor, name),
            style=COLOURS if colours else NO_COLOURS,
            color_depth=None if colours else ColorDepth.DEPTH_1_BIT,
            full_screen=True,
            paste_mode=is_pasted,  # a line end then copies no margin
        )
        self._app.ttimeoutlen = self._app.timeoutlen = _ESCAPE_SECONDS
        self._app.key_processor.before_key_press += self._clear_message
        if kept := file.kept():
            editor.message = f"Unsaved text of an earlier session is in {kept[-1]}."
        elif file.path and file.is_new:
            editor.message = "New file."
        editor.message = " ".join(filter(None, [editor.message, message]))

    def run(self) -> End:
        """Show the editor until the user quits.

        If something else ends it, such as a signal or the loss of the terminal, unsaved text is
        written to a recovery file.

        Raises:
            Exception: an unexpected error.
        """
        try:
            with self._suggester:
                self._app.run(
                    pre_run=self._prepare, set_exception_handler=False, handle_sigint=False
                )
        except BaseException as error:
            self._keep()
            if not _is_loss_of_terminal(error):
                raise
            self._signal = self._signal or signal.SIGHUP
        return End(self._signal, self._kept)

    def _prepare(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._fail)
        for number in not_ignored(_SIGNALS):
            loop.add_signal_handler(number, self._end_by_signal, number)

    def _quit(self) -> None:
        self._app.exit()

    def _end_by_signal(self, number: int) -> None:
        if not self._signal:
            self._signal = number
            self._keep()
            self._app.exit()

    def _fail(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._keep()
        error = context.get("exception") or RuntimeError(context["message"])
        if self._app.future and not self._app.future.done():
            self._app.exit(exception=error)

    def _keep(self) -> None:
        if self._kept is None and self._editor.is_modified:
            try:
                self._kept = self._editor.file.keep(self._editor.buffer.text)
            except OSError as error:
                print(f"The unsaved text is lost: {error}.", file=sys.stderr)

    def _clear_message(self, _processor: object) -> None:
        self._editor.message = ""

    def _redraw(self) -> None:
        self._app.invalidate()


def _is_loss_of_terminal(error: BaseException) -> bool:
    return isinstance(error, EOFError) or (isinstance(error, OSError) and error.errno == errno.EIO)
