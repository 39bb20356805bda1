"""The text on the screen, in rows that end between words, with ghost text at the cursor."""

from collections.abc import Callable
from functools import cache

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.controls import BufferControl, UIContent
from prompt_toolkit.layout.processors import (
    Processor,
    TabsProcessor,
    Transformation,
    TransformationInput,
)
from prompt_toolkit.layout.utils import explode_text_fragments

from ..terminal.sanitize import visible
from .wrapping import padded

_TAB = 8
# Each is replaced by one cell, so that the cursor stays where it is; prompt_toolkit makes the other
# control characters visible itself.
_BIDIRECTIONAL = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")


class GhostControl(BufferControl):
    """A buffer with ghost text at its cursor, which may have several lines and is not in it."""

    def __init__(self, buffer: Buffer, ghost: Callable[[], str]) -> None:
        """Show what ``ghost`` returns each time the screen is drawn."""
        processors = [_NoBidirectional(), TabsProcessor(tabstop=_TAB, char1=" ", char2=" ")]
        super().__init__(buffer, input_processors=processors)
        self._ghost = ghost

    def create_content(self, width: int, height: int, preview_search: bool = False) -> UIContent:
        """Return the lines of the buffer with those of the ghost text, filled as `padded` does."""
        content = self._with_ghost(super().create_content(width, height, preview_search))
        cursor, get_line = content.cursor_position, content.get_line

        @cache
        def filled(number: int) -> tuple[StyleAndTextTuples, int]:
            column = cursor.x if number == cursor.y else 0
            return padded(explode_text_fragments(get_line(number)), max(width, 1), column)

        return UIContent(
            lambda number: filled(number)[0],
            line_count=content.line_count,
            cursor_position=Point(filled(cursor.y)[1], cursor.y),
        )

    def _with_ghost(self, content: UIContent) -> UIContent:
        ghost = visible(self._ghost().replace("\r\n", "\n").expandtabs(_TAB))
        if not ghost:
            return content
        row, column = content.cursor_position.y, content.cursor_position.x
        line = explode_text_fragments(content.get_line(row))
        lines: list[StyleAndTextTuples] = [[("class:ghost", part)] for part in ghost.split("\n")]
        lines[0] = [*line[:column], *lines[0]]
        lines[-1] = [*lines[-1], *line[column:]]

        def get_line(number: int) -> StyleAndTextTuples:
            if number < row:
                return content.get_line(number)
            if number < row + len(lines):
                return lines[number - row]
            return content.get_line(number - len(lines) + 1)

        return UIContent(
            get_line,
            line_count=content.line_count + len(lines) - 1,
            cursor_position=content.cursor_position,
        )


class _NoBidirectional(Processor):
    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Replace control characters that change the order in which a line is read."""
        return Transformation(
            [
                (fragment[0], fragment[1].translate(_BIDIRECTIONAL))
                for fragment in transformation_input.fragments
            ]
        )
