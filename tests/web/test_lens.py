"""The page of ``distil lens`` in a browser: both views, by mouse and by keys, light and dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Error, Locator, Page, expect

from distilgpt2_cli.cli.shared.record import quoted
from distilgpt2_cli.engine import Inside, Model, look_inside
from distilgpt2_cli.terminal.sanitize import visible
from tests.support.run import environment, run
from tests.web.browser import Complaints
from tests.web.test_access import violations

TEXT = "Once upon a time, there was a <b>girl</b> named Lily. She had a dog."


@pytest.fixture(scope="session")
def lens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lens")
    path = folder / "lens.html"
    env = environment(folder / "home")
    result = run("lens", "-m", "demo", "--threads", "1", "--html", str(path), TEXT, env=env)
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="session")
def inside(bundled: Path) -> Inside:
    with Model(bundled) as model:
        return look_inside(model, model.tokenize(TEXT), 1)


@pytest.fixture(scope="session")
def texts(bundled: Path) -> dict[int, str]:
    """Return the texts of all tokens as the page quotes them."""
    with Model(bundled) as model:
        pieces = [model.piece(token, special=True) for token in range(model.vocabulary_size)]
    return {token: visible(quoted(piece)) for token, piece in enumerate(pieces)}


@pytest.fixture
def lens(page: Page, lens_file: Path) -> Iterator[Page]:
    """The page; the browser must have reported nothing at the end, and asked for nothing else."""
    complaints, urls = Complaints(page), list[str]()
    page.on("request", lambda request: urls.append(request.url))
    page.goto(lens_file.as_uri())
    yield page
    assert complaints.messages == []
    assert urls == [lens_file.as_uri()]


def cell(lens: Page, layer: int, place: int) -> Locator:
    return lens.locator(f'td[data-layer="{layer}"][data-place="{place}"]')


def choice(lens: Page, name: str) -> Locator:
    return lens.get_by_role("combobox", name=name)


def shares(list_: Locator) -> dict[str, float]:
    """Return the texts of a list with their percentages as shares."""
    found = {}
    for item in list_.get_by_role("listitem").all():
        text, percent = item.locator("span").all_text_contents()
        found[text] = float(percent.removesuffix("%")) / 100
    return found


def test_the_grid(lens: Page, inside: Inside, texts: dict[int, str]) -> None:
    grid = lens.get_by_role("grid", name="What each layer would say next")
    titles = grid.get_by_role("columnheader").all_text_contents()
    assert titles == ["Layer", *(texts[token] for token in inside.tokens)]
    rows = grid.locator("tbody tr")
    assert rows.count() == 7
    for number, row in enumerate(rows.all()):
        assert row.get_by_role("rowheader").text_content() == str(6 - number)
        shown = row.get_by_role("gridcell").all_text_contents()
        assert shown == [texts[token] for token in inside.lens.top_ids[6 - number, :, 0].tolist()]


@pytest.mark.parametrize("by", ["mouse", "touch of a key"])
def test_a_cell(lens: Page, inside: Inside, texts: dict[int, str], by: str) -> None:
    layer, place = 5, 3
    if by == "mouse":
        cell(lens, layer, place).hover()
    else:
        cell(lens, layer, place + 1).focus()
        lens.keyboard.press("ArrowLeft")
        expect(cell(lens, layer, place)).to_be_focused()
    title = f"Layer 5, after 3: {texts[inside.tokens[place]]}"
    expect(lens.locator("#cell-title")).to_have_text(title)
    expected = {
        texts[token]: share
        for token, share in zip(
            inside.lens.top_ids[layer, place].tolist(),
            np.exp(inside.lens.top_logprobs[layer, place]),
            strict=True,
        )
    }
    assert shares(lens.locator("#cell-top")) == pytest.approx(expected, abs=6e-4)
    following = lens.locator("#cell-next")
    rank = inside.lens.ranks[layer, place]
    expect(following).to_contain_text(
        f"Next in the text: {texts[inside.tokens[place + 1]]}, rank {rank},"
    )
    expect(following).to_contain_text(f"Entropy {inside.lens.entropies[layer, place]:.2f} bits.")
    expect(lens.locator("td[aria-current]")).to_have_count(1)


def test_keys_of_the_grid(lens: Page, inside: Inside) -> None:
    """Tab comes to one cell; the arrow keys, Home and End go on from there, and stop at the end."""
    last = len(inside.tokens) - 1
    lens.keyboard.press("Tab")
    expect(cell(lens, 6, last // 2)).to_be_focused()
    for keys, layer, place in (
        (["ArrowDown", "ArrowRight"], 5, last // 2 + 1),
        (["End", "ArrowRight"], 5, last),
        (["Home", "ArrowLeft"], 5, 0),
        (["ArrowUp", "ArrowUp"], 6, 0),
        (["ArrowDown"] * 7, 0, 0),
    ):
        for key in keys:
            lens.keyboard.press(key)
        expect(cell(lens, layer, place)).to_be_focused()
    cell(lens, 3, last).focus()
    expect(lens.locator("#cell-next")).to_contain_text("The text ends here.")
    lens.keyboard.press("Tab")
    expect(choice(lens, "Layer")).to_be_focused()
    lens.keyboard.press("Shift+Tab")
    expect(cell(lens, 3, last)).to_be_focused()


@pytest.mark.parametrize(("layer", "head"), [(1, 1), (4, 5), (6, 0)])
def test_attention(
    lens: Page, inside: Inside, texts: dict[int, str], layer: int, head: int
) -> None:
    assert inside.attentions is not None
    of_layer = inside.attentions[layer - 1]
    weights = of_layer[head - 1] if head else of_layer.mean(0)
    choice(lens, "Layer").select_option(str(layer))
    choice(lens, "Head").select_option(str(head))
    buttons = lens.get_by_role("list", name="Tokens of the text").get_by_role("button")
    assert buttons.locator("span").all_text_contents() == [texts[each] for each in inside.tokens]
    place = 8
    buttons.nth(place).hover()
    expect(lens.locator("#looks-title")).to_contain_text(f"Layer {layer}, ")
    expect(buttons.nth(place)).to_have_attribute("aria-current", "true")
    shown = [
        float(text.removesuffix("%")) / 100 for text in buttons.locator("small").all_text_contents()
    ]
    expected = [*weights[place, : place + 1], *weights[place + 1 :, place]]
    np.testing.assert_allclose(shown, expected, atol=6e-4)
    for name, row, start in (
        ("#back", weights[place, : place + 1], 0),
        ("#ahead", weights[place + 1 :, place], place + 1),
    ):
        found = shares(lens.locator(name))
        assert list(found.values()) == pytest.approx(sorted(row.tolist())[:-6:-1], abs=6e-4)
        for text, share in found.items():
            number = int(text.partition(":")[0]) - start
            assert share == pytest.approx(row[number], abs=6e-4)


def test_keys_of_the_tokens(lens: Page, inside: Inside) -> None:
    buttons = lens.get_by_role("list", name="Tokens of the text").get_by_role("button")
    last = len(inside.tokens) - 1
    choice(lens, "Head").focus()
    lens.keyboard.press("Tab")
    expect(buttons.nth(last // 2)).to_be_focused()
    for key, place in (("End", last), ("ArrowLeft", last - 1), ("Home", 0), ("ArrowLeft", 0)):
        lens.keyboard.press(key)
        expect(buttons.nth(place)).to_be_focused()
        expect(lens.locator("#looks-title")).to_contain_text(f" at {place}: ")
    expect(lens.locator("#back").get_by_role("listitem")).to_have_count(1)
    lens.keyboard.press("End")
    expect(lens.locator("#ahead")).to_have_text("None")
    choice(lens, "Layer").focus()
    lens.keyboard.press("ArrowUp")
    expect(lens.locator("#looks-title")).to_contain_text("Layer 5, the mean of all heads")


@pytest.mark.parametrize("width", [320, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(lens: Page, scheme: Literal["light", "dark"], width: int) -> None:
    """Names, roles, contrasts and more by the rules of axe-core; and nothing is too wide."""
    lens.set_viewport_size({"width": width, "height": 700})
    lens.emulate_media(color_scheme=scheme)
    assert violations(lens) == []
    cell(lens, 2, 1).focus()
    choice(lens, "Head").select_option("2")
    assert violations(lens) == []
    assert lens.evaluate("document.documentElement.scrollWidth") == width


def test_light_and_dark(lens: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = lens.evaluate(background)
    lens.emulate_media(color_scheme="dark")
    assert lens.evaluate(background) != light


def test_the_likelier_the_stronger_is_the_colour(lens: Page, inside: Inside) -> None:
    colour = "(it) => getComputedStyle(it).backgroundColor.match(/[0-9.]+/g).map(Number)"
    top = inside.lens.top_logprobs[..., 0]
    likely, unlikely = (np.unravel_index(find(top), top.shape) for find in (np.argmax, np.argmin))
    paper = lens.evaluate("(it) => getComputedStyle(document.body).backgroundColor")
    distances = []
    for layer, place in (likely, unlikely):
        found = cell(lens, int(layer), int(place)).evaluate(colour)
        distances.append(sum(abs(each - found[0]) for each in found[1:]))
    assert distances[0] > distances[1], paper


def test_a_text_is_a_text(page: Page, lens_file: Path) -> None:
    """It is no markup, and the policy lets no script make any of it."""
    complaints = Complaints(page)
    page.goto(lens_file.as_uri())
    assert page.locator("main b").count() == 0
    assert "<b>" in page.title()
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<p>hello'")
    complaints.forgive("TrustedHTML")
    assert complaints.messages == []


def test_of_a_single_token(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "one.html"
    env = environment(tmp_path / "home")
    assert run("lens", "-m", "demo", "--html", str(path), "A", env=env).returncode == 0
    complaints = Complaints(page)
    page.goto(path.as_uri())
    expect(page.locator("#cell-next")).to_contain_text("The text ends here.")
    expect(page.locator("#back")).to_contain_text("100.0%")
    assert complaints.messages == []
