"""The screen of the editor: the text, the suggestions, a status line and a line of help."""

import re

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import (
    ConditionalContainer,
    Container,
    Dimension,
    Float,
    FloatContainer,
    HSplit,
    Layout,
    ScrollOffsets,
    VSplit,
    Window,
)
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth

from ..terminal.sanitize import one_line, visible
from .editor import Editor
from .ghost import GhostControl
from .keys import HELP, HELP_PAGE, NAME_HELP, SETTINGS_HELP, SUGGESTION_HELP, NameLine
from .wrapping import wrapped

_SUGGESTION_ROWS, _MESSAGE_ROWS = 2, 5
_LIMITS = "The model makes things up and repeats prejudices: read what you accept."

COLOURS = Style.from_dict({"ghost": "ansibrightblack italic", "status": "reverse", "mark": "bold"})
NO_COLOURS = Style.from_dict({"ghost": "underline", "status": "reverse", "mark": "bold"})


class Screen:
    """The layout of an editor."""

    def __init__(self, editor: Editor, name: NameLine, model: str) -> None:
        """Show an editor, its line for a file name, and the name of the model."""
        self._editor = editor
        self._model = model
        self._counted: tuple[str | None, int] = (None, 0)
        text = Window(
            GhostControl(editor.buffer, lambda: editor.ghost),
            wrap_lines=True,
            scroll_offsets=ScrollOffsets(bottom=2),
        )
        suggestions = ConditionalContainer(
            Window(FormattedTextControl(self._suggestions), dont_extend_height=True),
            filter=Condition(lambda: editor.suggestions is not None),
        )
        status = Window(FormattedTextControl(self._status), height=1, style="class:status")
        naming = has_focus(name.buffer) & Condition(lambda: editor.question is None)
        self.layout = Layout(
            HSplit(
                [
                    FloatContainer(text, [_help_page(editor)]),
                    suggestions,
                    status,
                    ConditionalContainer(_name_line(name), filter=naming),
                    ConditionalContainer(self._help_window(), filter=~naming),
                ]
            ),
            focused_element=text,
        )

    def _help_window(self) -> Window:
        return Window(
            FormattedTextControl(lambda: "\n".join(self._help())),
            height=Dimension(min=1, max=_MESSAGE_ROWS),
            dont_extend_height=True,
        )

    def _suggestions(self) -> StyleAndTextTuples:
        editor = self._editor
        height = get_app().output.get_size().rows
        rows = max(min(_SUGGESTION_ROWS, height // 2 // max(len(editor.listed), 1)), 1)
        lines: StyleAndTextTuples = []
        for index in editor.listed:
            assert editor.suggestions
            item = editor.suggestions.items[index]
            selected = index == editor.selected
            text = _on_one_line(editor.ghost if selected else item.text)
            mark = f"{'>' if selected else ' '}{index + 1} "
            parts = wrapped(text + ("" if item.done else " …"), _width() - len(mark))
            if len(parts) > rows:
                parts[rows - 1] = _cut(parts[rows - 1].rstrip(), _width() - len(mark))
            style = "class:mark" if selected else ""
            for row, part in enumerate(parts[:rows]):
                lines.append((style, f"{mark if row == 0 else ' ' * len(mark)}{part}\n"))
        if lines:
            style, last, *_ = lines[-1]
            lines[-1] = (style, last.removesuffix("\n"))
        return lines

    def _status(self) -> str:
        editor = self._editor
        shown = editor.suggestions
        parts = [self._model]
        if shown:
            parts.append(f"seed {shown.items[editor.selected].seed}")
            if shown.tokens_per_second:
                parts.append(f"{shown.tokens_per_second:.0f} tokens/s")
        words = self._words()
        parts.append("1 word" if words == 1 else f"{words} words")
        rest = " | ".join(parts)
        name = str(editor.file.path or "untitled")
        name = one_line(visible(name)) + (" *" if editor.is_modified else "")
        width = _width() - get_cwidth(rest) - 5
        return f" {_cut_start(name, width)} | {rest}"

    def _words(self) -> int:
        text = self._editor.buffer.text
        if text is not self._counted[0]:
            self._counted = (text, len(text.split()))
        return self._counted[1]

    def _help(self) -> list[str]:
        editor = self._editor
        if editor.question:
            return self._paragraph(editor.question.text)
        if editor.suggestions and editor.suggestions.error:
            return self._paragraph(str(editor.suggestions.error))
        if editor.is_helping:
            return self._paragraph("Press any key to go back to the text.")
        keys = HELP
        if editor.suggestions:
            first, last = editor.listed[0] + 1, editor.listed[-1] + 1
            keys = SUGGESTION_HELP.format(f"{first}-{last}" if first < last else first)
        message = self._paragraph(editor.message) if editor.message else []
        return [*message, *self._paragraph(f"{keys}  {SETTINGS_HELP.format(editor.settings)}")]

    def _paragraph(self, text: str) -> list[str]:
        return wrapped(one_line(visible(text)), _width())


def _width() -> int:
    return get_app().output.get_size().columns


def _help_page(editor: Editor) -> Float:
    def text() -> str:
        column = max(len(keys) for keys, _ in HELP_PAGE) + 2
        lines = [
            f"{keys if row == 0 else '':<{column}}{part}"
            for keys, meaning in HELP_PAGE
            for row, part in enumerate(wrapped(meaning, _width() - column))
        ]
        return "\n".join([*lines, "", *wrapped(_LIMITS, _width())])

    page = ConditionalContainer(
        Window(FormattedTextControl(text)), filter=Condition(lambda: editor.is_helping)
    )
    return Float(page, top=0, bottom=0, left=0, right=0)


def _on_one_line(text: str) -> str:
    """Return a text with a sign for each line end, after which a row may end."""
    return one_line(visible(re.sub(r"(?:\r?\n)+", _line_ends, text)))


def _line_ends(found: re.Match[str]) -> str:
    return "↵" * found[0].count("\n") + " "


def _name_line(name: NameLine) -> Container:
    label = Window(FormattedTextControl(NAME_HELP), width=len(NAME_HELP), height=1)
    return VSplit([label, Window(BufferControl(name.buffer), height=1)])


def _cut(text: str, width: int) -> str:
    """Return as much of the start of a text as fits into this number of cells, and an ellipsis."""
    while text and get_cwidth(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _cut_start(text: str, width: int) -> str:
    """Return as much of the end of a text as fits into this number of cells."""
    if get_cwidth(text) <= width:
        return text
    while text and get_cwidth(text) > width - 1:
        text = text[1:]
    return "…" + text
