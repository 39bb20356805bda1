"""Suggestions: requested, streamed, accepted, replaced, closed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.support import reciting
from tests.support.server import Server, serving
from tests.web.browser import Writer


def asked(page: Page) -> list[dict[str, Any]]:
    """Return a list that what is asked for will be added to."""
    bodies: list[dict[str, Any]] = []

    def keep(request: Request) -> None:
        if request.url.endswith("/v1/completions"):
            bodies.append(json.loads(request.post_data or ""))

    page.on("request", keep)
    return bodies


def test_tab_brings_three_suggestions_and_a_digit_accepts_one(writer: Writer) -> None:
    writer.write("Once upon a time")
    suggestions = writer.suggest()
    assert len(suggestions) == 3
    assert all(suggestions)
    writer.press("2")
    text = writer.text.input_value()
    assert text.startswith("Once upon a time")
    assert text.removeprefix("Once upon a time").strip() == suggestions[1]
    expect(writer.list).to_be_hidden()
    expect(writer.text).to_be_focused()


def test_arrows_and_enter_accept_one(writer: Writer) -> None:
    writer.write("One day, Lily")
    suggestions = writer.suggest()
    expect(writer.options.nth(0)).to_have_attribute("aria-selected", "true")
    writer.press("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp")
    expect(writer.options.nth(2)).to_have_attribute("aria-selected", "true")
    writer.press("Enter")
    assert writer.text.input_value().endswith(suggestions[2])


def test_a_click_accepts_one(writer: Writer) -> None:
    writer.write("One day, Tom")
    suggestions = writer.suggest()
    writer.options.nth(1).hover()
    expect(writer.options.nth(1)).to_have_attribute("aria-selected", "true")
    writer.options.nth(1).click()
    assert writer.text.input_value().endswith(suggestions[1])
    expect(writer.text).to_be_focused()
    writer.write("!")
    assert writer.text.input_value().endswith("!")


def test_what_was_accepted_can_be_undone_and_redone(writer: Writer) -> None:
    writer.write("The cat")
    writer.suggest()
    writer.press("1")
    after = writer.text.input_value()
    assert after != "The cat"
    writer.press("Control+z")
    expect(writer.text).to_have_value("The cat")
    writer.press("Control+Shift+z")
    expect(writer.text).to_have_value(after)


def test_suggestions_go_on_at_the_cursor(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.write("Once upon a time. THE END")
    for _ in ". THE END":
        writer.press("ArrowLeft")
    suggestions = writer.suggest()
    writer.press("1")
    text = writer.text.input_value()
    assert requests[0]["prompt"] == "Once upon a time"
    assert text.startswith("Once upon a time")
    assert text.endswith(". THE END")
    assert suggestions[0] in text


def test_the_space_before_the_cursor_is_left_to_the_model(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.write("The little bird  ")
    writer.suggest()
    assert requests[0]["prompt"] == "The little bird"
    writer.press("1")
    assert re.match(r"The little bird ?[^ ]", writer.text.input_value())
    writer.press("Control+z")
    expect(writer.text).to_have_value("The little bird  ")


def test_of_a_long_text_only_the_end_is_sent(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.text.fill("Everybody remembered yesterday. " * 1000 + "One day")
    writer.suggest()
    prompt = requests[0]["prompt"]
    assert len(prompt) <= 2000
    assert re.match(r"(Everybody|remembered|yesterday\.) ", prompt)
    assert prompt.endswith("remembered yesterday. One day")


def test_a_text_of_too_many_tokens_is_cut_until_it_fits(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.text.fill("\u72d0" * 3000)
    assert len(writer.suggest()) == 3
    assert len(requests) > 1
    assert len(requests[-1]["prompt"]) < 512 <= len(requests[0]["prompt"]) * 2
    writer.complaints.forgive("400")


def test_an_empty_text_has_suggestions_too(writer: Writer) -> None:
    writer.text.focus()
    assert all(writer.suggest())
    writer.press("1")
    expect(writer.text).not_to_have_value("")


def test_a_suggestion_of_nothing_is_explained(
    page: Page, env: dict[str, str], tmp_path: Path
) -> None:
    model = reciting.write(tmp_path / "silent.gguf", [])
    writer = Writer(page)
    with serving("--model", str(model), env=env) as server:
        writer.open(server.url)
        writer.setting("Surprise", "0")
        assert writer.suggest() == ["no text: the model would end here"]
        writer.press("Enter")
        expect(writer.text).to_have_value("")


def test_tab_again_brings_more(writer: Writer) -> None:
    writer.write("Once upon a time")
    first = writer.suggest()
    second = writer.suggest()
    assert len(second) == 3
    assert first != second
    writer.page.get_by_role("button", name="More").click()
    assert writer.suggested() not in (first, second)
    expect(writer.text).to_be_focused()
    expect(writer.text).to_have_value("Once upon a time")


def test_a_seed_brings_the_same_again_and_then_more(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.setting("Seed", "4294967294")
    writer.write("Once upon a time")
    first = writer.suggest()
    expect(writer.page.get_by_text("seed 4294967294")).to_be_visible()
    second = writer.suggest()
    writer.press("Escape")
    assert writer.suggest() == first != second
    # The seeds end at 4294967294: the next one is 0, and the first three were …294, 0 and 1.
    assert [request["seed"] for request in requests] == [4294967294, 2, 4294967294]


def test_the_seed_that_was_drawn_repeats_the_suggestions(writer: Writer) -> None:
    writer.write("The old house")
    first = writer.suggest()
    shown = writer.page.get_by_text(re.compile(r"^seed \d+$")).text_content()
    assert shown is not None
    writer.press("Escape")
    writer.setting("Seed", shown.removeprefix("seed "))
    assert writer.suggest() == first


def test_settings_are_what_is_asked_for(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.setting("Length", "7")
    writer.setting("Surprise", "0.5")
    writer.setting("Variety", "0.6")
    writer.setting("Number", "5")
    writer.write("One day")
    assert len(writer.suggest()) == 5
    wanted = {"max_tokens": 7, "temperature": 0.5, "top_p": 0.6, "n": 5, "stream": True}
    assert requests[0] | wanted == requests[0]
    writer.press("5")
    expect(writer.text).not_to_have_value("One day")


def test_at_temperature_0_there_is_one_suggestion(writer: Writer) -> None:
    writer.setting("Surprise", "0")
    writer.write("Once upon a time")
    (only,) = writer.suggest()
    assert writer.suggest() == [only]


def test_a_wrong_seed_is_refused_before_anything_is_requested(writer: Writer) -> None:
    requests = asked(writer.page)
    writer.page.get_by_role("button", name="Settings").click()
    writer.page.get_by_label("Seed").fill("4294967295")
    writer.press("Escape", "Tab")
    writer.text.focus()
    writer.press("Tab")
    expect(writer.page.get_by_role("dialog", name="Settings")).to_be_visible()
    expect(writer.page.get_by_label("Seed")).to_be_focused()
    assert requests == []
    writer.page.get_by_role("button", name="Defaults").click()
    writer.page.get_by_role("button", name="Done").click()
    writer.write("Once")
    expect(writer.text).to_have_value("Once")


def test_the_defaults_come_back(writer: Writer) -> None:
    writer.setting("Length", "99")
    writer.page.get_by_role("button", name="Settings").click()
    writer.page.get_by_role("button", name="Defaults").click()
    expect(writer.page.get_by_label("Length")).to_have_value("20")


def test_suggestions_are_streamed_side_by_side(slow_writer: Writer) -> None:
    slow_writer.press("Tab")
    seen: set[tuple[str, ...]] = set()
    while len(seen) < 10:
        assert slow_writer.list.get_attribute("aria-busy") == "true"
        seen.add(tuple(slow_writer.options.all_text_contents()))
    lengths = [len(text) for text in max(seen)]
    assert len(lengths) == 3
    assert min(lengths) > 1, "one waits for another"


@pytest.mark.parametrize("how", ["typing", "Escape", "ArrowLeft", "Close"])
def test_closing_the_suggestions_ends_the_request(
    slow_writer: Writer, slow_server: Server, how: str
) -> None:
    writer = slow_writer
    before = len(disconnects(slow_server))
    with writer.page.expect_event("requestfailed") as failed:
        writer.press("Tab")
        expect(writer.options.nth(0).locator("span")).not_to_be_empty()
        if how == "typing":
            writer.write("X")
        elif how == "Close":
            writer.page.get_by_role("button", name="Close").click()
        else:
            writer.press(how)
    assert failed.value.failure == "net::ERR_ABORTED"
    expect(writer.list).to_be_hidden()
    expect(writer.text).to_have_value("Once upon a time" + "X" * (how == "typing"))
    expect(writer.text).to_be_focused()
    while len(disconnects(slow_server)) == before:  # until the test's own deadline
        writer.page.wait_for_timeout(20)


def disconnects(server: Server) -> list[str]:
    """Return the lines of a server's log on clients that disconnected before the response."""
    return [line for line in server.lines if " 499 " in line]


def test_what_has_arrived_can_be_accepted_before_the_end(slow_writer: Writer) -> None:
    writer = slow_writer
    writer.press("Tab")
    expect(writer.options.nth(0).locator("span")).not_to_be_empty()
    writer.press("Enter")
    expect(writer.list).to_be_hidden()
    assert writer.text.input_value().removeprefix("Once upon a time")


def test_more_can_be_requested_before_the_end(slow_writer: Writer) -> None:
    writer = slow_writer
    writer.press("Tab")
    expect(writer.options.nth(0).locator("span")).not_to_be_empty()
    seed = writer.page.locator("#seed-shown")
    before = seed.text_content() or ""
    writer.press("Tab")
    expect(seed).not_to_have_text(before)
    expect(writer.options.nth(0).locator("span")).not_to_be_empty()
    expect(writer.options).to_have_count(3)


def test_typing_does_not_wait_for_the_model(slow_writer: Writer) -> None:
    writer = slow_writer
    for word in (" there", " was", " a"):
        writer.press("Tab")
        writer.write(word)
    expect(writer.text).to_have_value("Once upon a time there was a")
    expect(writer.list).to_be_hidden()
