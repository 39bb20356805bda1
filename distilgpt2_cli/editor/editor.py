"""The actions of the editor, without its keys and its screen."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..errors import DistilError
from .suggestions import Settings, Suggester, Suggestions
from .text_buffer import TextBuffer
from .text_file import TextFile

LENGTHS = (8, 16, 32, 64, 128)
TEMPERATURES = (0.0, 0.5, 0.7, 1.0, 1.3)
COUNTS = (1, 3, 5, 9)

_Number = TypeVar("_Number", int, float)

_WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that one key must answer before anything else."""

    text: str
    answers: dict[str, Callable[[], object]]


class Editor:
    """A text with its file and its suggestions.

    Attributes:
        file: where the text goes.
        buffer: the text and the cursor.
        settings: of the next suggestions.
        suggestions: those that are shown now, or None.
        selected: the index of the one that is shown at the cursor.
        message: a sentence for the user, or empty.
        question: what the user has to answer, or None.
        is_helping: whether the help is shown in place of the text.
    """

    def __init__(
        self,
        file: TextFile,
        settings: Settings,
        seed: int,
        suggester: Suggester,
        exit_: Callable[[], object],
    ) -> None:
        """Edit a file; ``exit_`` ends the editor."""
        self.file = file
        self.buffer = TextBuffer(file.text)
        self.settings = settings
        self.suggestions: Suggestions | None = None
        self.selected = 0
        self.message = ""
        self.question: Question | None = None
        self.is_helping = False
        self._seed = seed
        self._suggester = suggester
        self._exit = exit_
        self._accepted = 0  # characters of the selected suggestion that are in the text already
        self._accepting = False
        for event in (self.buffer.on_text_changed, self.buffer.on_cursor_position_changed):
            event += self._edited

    @property
    def is_modified(self) -> bool:
        """Whether the text differs from what is in the file."""
        return self.buffer.text != self.file.text

    # Suggestions

    @property
    def ghost(self) -> str:
        """The part of the selected suggestion that is not yet in the text."""
        if self.suggestions is None:
            return ""
        return self.suggestions.items[self.selected].text[self._accepted :]

    def suggest(self) -> None:
        """Request suggestions at the cursor, or more of them if some are shown."""
        shown = self.suggestions
        if shown and not self._accepted:
            self._request(shown.text, shown.next_seed)
        else:
            self._request(self.buffer.document.text_before_cursor, self._seed)

    def close(self) -> None:
        """Close the suggestions."""
        if self.suggestions:
            self._suggester.cancel()
            self.suggestions = None

    def select(self, step: int) -> None:
        """Select the suggestion this many places further down."""
        if self.suggestions and not self._accepted:
            self.selected = (self.selected + step) % len(self.suggestions.items)

    def accept(self, index: int) -> None:
        """Insert a suggestion as far as it is written; one without text yet is only selected."""
        if self.suggestions is None or (self._accepted and index != self.selected):
            return
        self.selected = index
        if self.ghost:
            ghost = self.ghost
            self.close()
            self.buffer.insert_as_step(ghost)

    def accept_word(self) -> None:
        """Insert the next word of the selected suggestion, and keep showing the rest."""
        word = _WORD.match(self.ghost)
        if self.suggestions is None or word is None:
            return
        self.suggestions.end_after(self.selected)
        self._accepted += word.end()
        self._accepting = True
        try:
            self.buffer.insert_as_step(word[0])
        finally:
            self._accepting = False
        if self.suggestions.items[self.selected].done and not self.ghost:
            self.close()

    @property
    def listed(self) -> range:
        """The indices of the suggestions in the list, all of which can be accepted."""
        if self.suggestions is None:
            return range(0)
        if self._accepted:
            return range(self.selected, self.selected + 1)
        return range(len(self.suggestions.items))

    def change_length(self) -> None:
        """Switch to the next maximum of tokens."""
        self._change(replace(self.settings, max_tokens=_next(LENGTHS, self.settings.max_tokens)))

    def change_temperature(self) -> None:
        """Switch to the next temperature."""
        temperature = _next(TEMPERATURES, self.settings.temperature)
        self._change(replace(self.settings, temperature=temperature))

    def change_count(self) -> None:
        """Switch to the next number of suggestions."""
        self._change(replace(self.settings, count=_next(COUNTS, self.settings.count)))

    def _change(self, settings: Settings) -> None:
        self.settings = settings
        shown = self.suggestions
        if shown and not self._accepted:
            self._request(shown.text, shown.items[0].seed)

    def _request(self, text: str, seed: int) -> None:
        self.suggestions = Suggestions(text, self.settings, seed)
        self.selected = self._accepted = 0
        self._suggester.start(self.suggestions)

    def _edited(self, _buffer: object) -> None:
        if not self._accepting:
            self.close()

    # The file

    def save(self, then: Callable[[], object] = lambda: None) -> None:
        """Save the text to its file, which must have a name, and then call ``then``.

        Before it replaces what was written by another program, it asks.
        """
        self._save(self.file, then)

    def save_as(self, path: Path, then: Callable[[], object] = lambda: None) -> None:
        """Save the text to another file and continue with that one."""
        self._save(self.file.at(path) if path != self.file.path else self.file, then)

    def quit(self, save: Callable[[Callable[[], object]], object]) -> None:
        """Quit, after asking what to do with unsaved changes."""
        if not self.is_modified:
            self._exit()
            return
        self.question = Question(
            "Save changes? y yes, n no, Esc keep editing",
            {"y": lambda: save(self._exit), "n": self._exit},
        )

    def answer(self, key: str) -> None:
        """Act on the key that answers the question; other keys change nothing."""
        assert self.question
        action = self.question.answers.get(key.lower())
        if action:
            self.question = None
            action()

    def _save(self, file: TextFile, then: Callable[[], object]) -> None:
        try:
            if file.changed_on_disk():
                found = "already exists" if file.is_new else "was changed by another program"
                self.question = Question(
                    f"{file.path} {found}. Replace it? y yes, Esc no",
                    {"y": lambda: self._write(file, then)},
                )
                return
        except DistilError as error:
            self.message = str(error)
            return
        self._write(file, then)

    def _write(self, file: TextFile, then: Callable[[], object]) -> None:
        try:
            file.write(self.buffer.text)
        except DistilError as error:
            self.message = str(error)
            return
        self.file = file
        self.message = f"Saved {file.path}."
        then()


def _next(values: Sequence[_Number], value: _Number) -> _Number:
    return next((other for other in values if other > value), values[0])
