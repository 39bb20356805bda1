"""The edited text, as a buffer for prompt_toolkit's key bindings, with its own undo."""

import re

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from .history import History, State

_SURROGATE = re.compile("[\ud800-\udfff]")


class TextBuffer(Buffer):
    """A buffer that undoes word by word, and holds only text that can be encoded as UTF-8.

    prompt_toolkit's own undo takes back everything that was typed without a pause, and keeps a
    copy of the text for each step.
    """

    def __init__(self, text: str) -> None:
        """Start with the cursor at the beginning of this text."""
        self._steps = History(text)
        self._typed_to: int | None = None  # where the cursor is while a word is being typed
        super().__init__(document=Document(text, 0), multiline=True)

    def load_history_if_not_yet_loaded(self) -> None:
        """Load nothing: unlike a shell's prompt, an editor has no earlier inputs."""

    def save_to_undo_stack(self, clear_redo_stack: bool = True) -> None:  # noqa: ARG002
        """End an undo step, unless within a word; prompt_toolkit calls this before every key."""
        if self.cursor_position != self._typed_to:
            self._steps.record(self._state)

    def undo(self) -> None:
        """Undo one step."""
        self._go(self._steps.undo(self._state))

    def redo(self) -> None:
        """Redo one step."""
        self._go(self._steps.redo(self._state))

    def insert_text(
        self,
        data: str,
        overwrite: bool = False,
        move_cursor: bool = True,
        fire_event: bool = True,
    ) -> None:
        """Insert text; white space after a word starts an undo step, and pasted text is one."""
        is_typed = len(data) == 1
        if not is_typed or (data.isspace() and not self.document.char_before_cursor.isspace()):
            self._steps.record(self._state)
        # A terminal may send bytes that are not text, which prompt_toolkit keeps as surrogates.
        data = _SURROGATE.sub("\ufffd", data)
        super().insert_text(data, overwrite, move_cursor, fire_event)
        self._typed_to = self.cursor_position if is_typed else None

    def insert_as_step(self, text: str) -> None:
        """Insert text as one undo step."""
        self.exit_selection()
        self._steps.record(self._state)
        super().insert_text(text)
        self._steps.record(self._state)
        self._typed_to = None

    @property
    def _state(self) -> State:
        return State(self.text, self.cursor_position)

    def _go(self, state: State | None) -> None:
        self._typed_to = None
        if state:
            self.exit_selection()
            self.document = Document(state.text, state.cursor)
