"""Undo and redo, as steps over differences."""

from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.editor.history import History, State
from distilgpt2_cli.editor.text_buffer import TextBuffer

STATES = st.lists(
    st.text("ab\n", max_size=12).flatmap(
        lambda text: st.builds(State, st.just(text), st.integers(0, len(text)))
    ),
    max_size=12,
)


@given(STATES)
def test_all_states_come_back(states: list[State]) -> None:
    history = History("")
    steps = [State("", 0)]
    for state in states:
        history.record(state)
        if state.text == steps[-1].text:
            steps[-1] = state
        else:
            steps.append(state)
    now = steps[-1]
    for expected in reversed(steps[:-1]):
        back = history.undo(now)
        assert back == expected
        now = back
    assert history.undo(now) is None
    for expected in steps[1:]:
        forth = history.redo(now)
        assert forth is not None
        assert forth.text == expected.text
        now = forth
    assert history.redo(now) is None


def test_an_edit_ends_what_can_be_redone() -> None:
    history = History("")
    history.record(State("a", 1))
    assert history.undo(State("a", 1)) == State("", 0)
    assert history.redo(State("b", 1)) is None
    assert history.undo(State("b", 1)) == State("", 0)


def test_many_steps_in_a_large_text_take_little() -> None:
    text = "It was a dark and stormy night.\n" * 30_000
    history = History(text)
    for place in range(0, 900_000, 9000):
        text = text[:place] + "x" + text[place:]
        history.record(State(text, place + 1))
    held = sum(len(change.removed) + len(change.inserted) for change in history._back)
    assert held == len(history._back) == 100


def type_keys(buffer: TextBuffer, keys: str) -> None:
    """Type as prompt_toolkit does, which ends a step before every key."""
    for key in keys:
        buffer.save_to_undo_stack()
        buffer.insert_text(key)


def test_typing_is_undone_word_by_word() -> None:
    buffer = TextBuffer("")
    type_keys(buffer, "one two  three")
    seen = []
    while buffer.text:
        buffer.undo()
        seen.append(buffer.text)
    assert seen == ["one two", "one", ""]


def test_what_is_inserted_as_a_step_is_undone_alone() -> None:
    buffer = TextBuffer("")
    type_keys(buffer, "one")
    buffer.insert_as_step(" two three")
    type_keys(buffer, "s")
    assert (buffer.text, buffer.cursor_position) == ("one two threes", 14)
    for expected in ("one two three", "one", ""):
        buffer.undo()
        assert (buffer.text, buffer.cursor_position) == (expected, len(expected))
    buffer.redo()
    buffer.redo()
    assert (buffer.text, buffer.cursor_position) == ("one two three", 13)


def test_a_pasted_text_is_a_step_and_only_text() -> None:
    buffer = TextBuffer("")
    type_keys(buffer, "one")
    buffer.insert_text("two\udcff")
    assert buffer.text == "onetwo\ufffd"
    buffer.undo()
    assert buffer.text == "one"
