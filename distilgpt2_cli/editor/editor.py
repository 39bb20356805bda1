"""What the keys of the editor do, whatever they are and however it is shown."""

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
    """Something to be answered by one key before anything else."""

    text: str
    answers: dict[str, Callable[[], object]]


class Editor:
    """A text with its file and its suggestions.

    Attributes:
        file: where the text goes.
        buffer: the text and the cursor.
        settings: those of the next suggestions.
        suggestions: what is offered now, if anything is.
        selected: the one that is shown at the cursor.
        message: what there is to be said.
        question: what has to be answered.
    """

    def __init__(
        self,
        file: TextFile,
        settings: Settings,
        seed: int,
        suggester: Suggester,
        leave: Callable[[], object],
    ) -> None:
        """Edit a file; ``leave`` ends the editor."""
        self.file = file
        self.buffer = TextBuffer(file.text)
        self.settings = settings
        self.suggestions: Suggestions | None = None
        self.selected = 0
        self.message = ""
        self.question: Question | None = None
        self._seed = seed
        self._suggester = suggester
        self._leave = leave
        self._taken = 0  # characters of the selected suggestion that are in the text already
        self._taking = False
        for event in (self.buffer.on_text_changed, self.buffer.on_cursor_position_changed):
            event += self._edited

    @property
    def is_modified(self) -> bool:
        """Whether the text differs from what is in the file."""
        return self.buffer.text != self.file.text

    # Suggestions

    @property
    def ghost(self) -> str:
        """What of the selected suggestion is not yet in the text."""
        if self.suggestions is None:
            return ""
        return self.suggestions.items[self.selected].text[self._taken :]

    def suggest(self) -> None:
        """Ask for suggestions at the cursor, or for others if there are some."""
        shown = self.suggestions
        if shown and not self._taken:
            self._ask_for(shown.text, shown.next_seed)
        else:
            self._ask_for(self.buffer.document.text_before_cursor, self._seed)

    def drop(self) -> None:
        """Offer nothing any more."""
        if self.suggestions:
            self._suggester.cancel()
            self.suggestions = None

    def select(self, step: int) -> None:
        """Show the suggestion so many places further at the cursor."""
        if self.suggestions and not self._taken:
            self.selected = (self.selected + step) % len(self.suggestions.items)

    def take(self, index: int) -> None:
        """Put a suggestion into the text as it is now; one without text yet is only selected."""
        if self.suggestions is None or (self._taken and index != self.selected):
            return
        self.selected = index
        if self.ghost:
            ghost = self.ghost
            self.drop()
            self.buffer.insert_as_step(ghost)

    def take_word(self) -> None:
        """Put the next word of the selected suggestion into the text, and keep on offering it."""
        word = _WORD.match(self.ghost)
        if self.suggestions is None or word is None:
            return
        self.suggestions.end_after(self.selected)
        self._taken += word.end()
        self._taking = True
        try:
            self.buffer.insert_as_step(word[0])
        finally:
            self._taking = False
        if self.suggestions.items[self.selected].done and not self.ghost:
            self.drop()

    @property
    def offered(self) -> range:
        """The numbers, from 0, of the suggestions that can be taken."""
        if self.suggestions is None:
            return range(0)
        if self._taken:
            return range(self.selected, self.selected + 1)
        return range(len(self.suggestions.items))

    def offers(self, index: int) -> bool:
        """Return whether there is a suggestion of this number, from 0."""
        return index in self.offered

    def change_length(self) -> None:
        """Go on to the next maximum of tokens."""
        self._change(replace(self.settings, max_tokens=_next(LENGTHS, self.settings.max_tokens)))

    def change_temperature(self) -> None:
        """Go on to the next temperature."""
        temperature = _next(TEMPERATURES, self.settings.temperature)
        self._change(replace(self.settings, temperature=temperature))

    def change_count(self) -> None:
        """Go on to the next number of suggestions."""
        self._change(replace(self.settings, count=_next(COUNTS, self.settings.count)))

    def _change(self, settings: Settings) -> None:
        self.settings = settings
        shown = self.suggestions
        if shown and not self._taken:
            self._ask_for(shown.text, shown.items[0].seed)

    def _ask_for(self, text: str, seed: int) -> None:
        self.suggestions = Suggestions(text, self.settings, seed)
        self.selected = self._taken = 0
        self._suggester.make(self.suggestions)

    def _edited(self, _buffer: object) -> None:
        if not self._taking:
            self.drop()

    # The file

    def save(self, then: Callable[[], object] = lambda: None) -> None:
        """Write the text to its file, which must have a name; asks before another's work is lost.

        ``then`` is called after it was written.
        """
        self._save(self.file, then)

    def save_as(self, path: Path, then: Callable[[], object] = lambda: None) -> None:
        """Write the text to another file and go on with that."""
        self._save(self.file.at(path) if path != self.file.path else self.file, then)

    def quit(self, save: Callable[[Callable[[], object]], object]) -> None:
        """Leave, after asking what to do with a text that is not saved."""
        if not self.is_modified:
            self._leave()
            return
        self.question = Question(
            "Save the changes? y yes, n no, Esc go on writing",
            {"y": lambda: save(self._leave), "n": self._leave},
        )

    def answer(self, key: str) -> None:
        """Do what a key means as an answer; what means nothing leaves the question as it is."""
        assert self.question
        action = self.question.answers.get(key.lower())
        if action:
            self.question = None
            action()

    def _save(self, file: TextFile, then: Callable[[], object]) -> None:
        try:
            if file.changed_on_disk():
                self.question = Question(
                    f"{file.path} is not what was read or saved here. Replace it? y yes, Esc no",
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
