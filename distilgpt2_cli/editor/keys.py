"""The key bindings, and the lines that explain them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, Filter, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from .editor import COUNTS, Editor

# With the longest settings that the keys reach, each fits into 80 columns.
HELP = "Tab suggest  ^S save  ^Q quit  F1 help"
SUGGESTION_HELP = "{0} accept  Alt-Right word  Tab more  Esc close"
SETTINGS_HELP = "F2 {0.max_tokens} tokens F3 temp {0.temperature:g} F4 {0.count}x"
NAME_HELP = "File name: "
HELP_PAGE = (
    ("Tab", "Suggest continuations; again: other ones."),
    ("1 … 9", "Accept that suggestion."),
    ("Up, Down, Enter", "Choose a suggestion, accept it."),
    ("Alt-Right", "Accept the next word of a suggestion."),
    ("Esc", "Close the suggestions."),
    ("F2", "Length: at most 8 to 128 tokens. A token is a short word or part of a word."),
    ("F3", "Temperature: low for predictable text, high for surprising text."),
    ("F4", "Number of suggestions."),
    ("Ctrl-S (^S)", "Save."),
    ("Ctrl-O", "Save under another name."),
    ("Ctrl-Z, Ctrl-Y", "Undo, redo."),
    ("Ctrl-Q (^Q)", "Quit."),
    ("Shift-Tab", "Insert a tab."),
)
"""Keys and what they do, for the help on the whole screen."""


class NameLine:
    """A line to enter a file name, which has the focus meanwhile."""

    def __init__(self, text: Buffer) -> None:
        """Make the line; afterwards the focus goes back to the buffer of the text."""
        self.buffer = Buffer(multiline=False)
        self._text = text
        self._then: Callable[[Path], object] = lambda _path: None

    def ask(self, name: str, then: Callable[[Path], object]) -> None:
        """Ask for a name, with this one as the default; ``then`` is called with the answer."""
        self._then = then
        self.buffer.text = name
        self.buffer.cursor_position = len(name)
        get_app().layout.focus(self.buffer)

    def accept(self) -> None:
        """Use the name that was entered; an empty one cancels."""
        name = self.buffer.text
        self.cancel()
        if name:
            self._then(Path(name).expanduser())

    def cancel(self) -> None:
        """Go back to the text."""
        get_app().layout.focus(self._text)


@Condition
def is_pasted() -> bool:
    """Whether text follows a key in the same read: a terminal may not mark what is pasted."""
    return any(len(following.key) == 1 for following in get_app().key_processor.input_queue)


def bindings(editor: Editor, name: NameLine) -> KeyBindings:
    """Return the key bindings that prompt_toolkit does not have itself."""
    keys = KeyBindings()
    asked = Condition(lambda: editor.question is not None)
    naming = has_focus(name.buffer)
    helping = Condition(lambda: editor.is_helping)
    writing = ~asked & ~naming & ~helping
    suggesting = writing & Condition(lambda: editor.suggestions is not None)
    _bind_file(keys, editor, name, writing)
    _bind_suggestions(keys, editor, writing, suggesting)

    @keys.add("f1", filter=writing)
    def _(_event: KeyPressEvent) -> None:
        editor.is_helping = True

    @keys.add(Keys.Any, filter=helping, eager=True)
    def _(_event: KeyPressEvent) -> None:
        editor.is_helping = False

    @keys.add(Keys.Any, filter=asked, eager=True)
    def _(event: KeyPressEvent) -> None:
        editor.answer(event.data)

    @keys.add("escape", filter=asked, eager=True)
    @keys.add("c-c", filter=asked, eager=True)
    def _(_event: KeyPressEvent) -> None:
        editor.question = None

    @keys.add("enter", filter=naming & ~asked)
    def _(_event: KeyPressEvent) -> None:
        name.accept()

    @keys.add("escape", filter=naming & ~asked)
    @keys.add("c-c", filter=naming & ~asked)
    def _(_event: KeyPressEvent) -> None:
        name.cancel()

    return keys


def _bind_file(keys: KeyBindings, editor: Editor, name: NameLine, writing: Filter) -> None:
    def save(then: Callable[[], object] = lambda: None) -> None:
        if editor.file.path is None:
            name.ask("", lambda path: editor.save_as(path, then))
        else:
            editor.save(then)

    @keys.add("c-s", filter=writing)
    def _(_event: KeyPressEvent) -> None:
        save()

    @keys.add("c-o", filter=writing)
    def _(_event: KeyPressEvent) -> None:
        name.ask(str(editor.file.path or ""), editor.save_as)

    @keys.add("c-q", filter=writing)
    def _(_event: KeyPressEvent) -> None:
        editor.quit(save)

    @keys.add("c-z", filter=writing)
    def _(_event: KeyPressEvent) -> None:
        editor.buffer.undo()

    @keys.add("c-y", filter=writing)
    def _(_event: KeyPressEvent) -> None:
        editor.buffer.redo()

    @keys.add("s-tab", filter=writing)
    @keys.add("tab", filter=writing & is_pasted)
    def _(_event: KeyPressEvent) -> None:
        editor.buffer.insert_text("\t")


def _bind_suggestions(
    keys: KeyBindings, editor: Editor, writing: Filter, suggesting: Filter
) -> None:
    def bind(key: str | tuple[str, ...], action: Callable[[], object], when: Filter) -> None:
        names = (key,) if isinstance(key, str) else key
        keys.add(*names, filter=when)(lambda _event: action())

    bind("tab", editor.suggest, writing & ~is_pasted)
    bind("f2", editor.change_length, writing)
    bind("f3", editor.change_temperature, writing)
    bind("f4", editor.change_count, writing)
    bind("escape", editor.close, writing)
    bind("c-c", editor.close, writing)
    bind("down", lambda: editor.select(1), suggesting)
    bind("up", lambda: editor.select(-1), suggesting)
    bind("enter", lambda: editor.accept(editor.selected), suggesting & ~is_pasted)
    bind(("escape", "right"), editor.accept_word, suggesting)
    for index in range(max(COUNTS)):
        is_shown = Condition(partial(lambda index: index in editor.listed, index))
        bind(str(index + 1), partial(editor.accept, index), suggesting & is_shown & ~is_pasted)
