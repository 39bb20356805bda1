"""The text under edit, as prompt_toolkit's key bindings know it, with undo of our own."""

import re

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from .history import History, State

_SURROGATE = re.compile("[\ud800-\udfff]")


class TextBuffer(Buffer):
    """A buffer whose steps of undo are words, and which holds only text that UTF-8 can hold.

    The one of prompt_toolkit takes back all that was typed without a pause, and keeps a copy of
    the text for each step.
    """

    def __init__(self, text: str) -> None:
        """Begin with the cursor at the start of this text."""
        self._steps = History(text)
        super().__init__(document=Document(text, 0), multiline=True)

    def save_to_undo_stack(self, clear_redo_stack: bool = True) -> None:  # noqa: ARG002
        """End a step here; prompt_toolkit calls this before what a key does."""
        self._steps.record(self._state)

    def undo(self) -> None:
        """Take a step back."""
        self._go(self._steps.undo(self._state))

    def redo(self) -> None:
        """Take back a step back."""
        self._go(self._steps.redo(self._state))

    def insert_text(
        self,
        data: str,
        overwrite: bool = False,
        move_cursor: bool = True,
        fire_event: bool = True,
    ) -> None:
        """Insert text at the cursor; white space after a word begins a new step."""
        if data[:1].isspace() and not self.document.char_before_cursor.isspace():
            self.save_to_undo_stack()
        # A terminal may send bytes that are no text, which prompt_toolkit keeps as surrogates.
        data = _SURROGATE.sub("\ufffd", data)
        super().insert_text(data, overwrite, move_cursor, fire_event)

    def insert_as_step(self, text: str) -> None:
        """Insert text that one undo takes back."""
        self.exit_selection()
        self.save_to_undo_stack()
        super().insert_text(text)
        self.save_to_undo_stack()

    @property
    def _state(self) -> State:
        return State(self.text, self.cursor_position)

    def _go(self, state: State | None) -> None:
        if state:
            self.exit_selection()
            self.document = Document(state.text, state.cursor)
