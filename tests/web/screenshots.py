"""Make the pictures of the documentation: ``python -m tests.web.screenshots``."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.support.run import environment, run
from tests.support.server import serving
from tests.web.browser import Writer, chromium

Scheme = Literal["light", "dark"]
IMAGES = Path(__file__).parents[2] / "docs/images"
COLOURS = 128  # the pages have few; a palette makes the files a third as large
BEGINNING = """It was a quiet evening in the village, and everybody was at home. \
Only Lily was out: she had found a little door in the old garden wall.

When she opened it, she saw"""
SEED = "29"
RANKS_TEXT = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the sun."
    " One day, she negotiated a mortgage with a reluctant bank."
)
LENS_TEXT = "Tom and Lily went to the park. Lily was"


def main() -> None:
    """Write a few lines on a server with the demo model, and look inside it."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as home, chromium() as browser:
        env = environment(Path(home))
        page = Path(home) / "lens.html"
        run("lens", "--model", "demo", "--html", str(page), LENS_TEXT, env=env).check_returncode()
        take_lens_picture(browser, page.as_uri())
        page = Path(home) / "ranks.html"
        run("score", "--model", "demo", "--html", str(page), RANKS_TEXT, env=env).check_returncode()
        take_ranks_picture(browser, page.as_uri())
        with serving("--model", "demo", env=env) as server:
            take_pictures(browser, server.url)


def take_lens_picture(browser: Browser, address: str) -> None:
    """Take one of both views, of the places that ``docs/lens.md`` explains."""
    context = browser.new_context(
        viewport={"width": 1000, "height": 1050}, color_scheme="light", device_scale_factor=1.5
    )
    page = context.new_page()
    page.goto(address)
    page.locator('td[data-layer="5"][data-place="8"]').hover()
    page.get_by_role("combobox", name="Layer").select_option("6")
    page.get_by_role("combobox", name="Head").select_option("1")
    page.locator("#tokens button").nth(8).hover()
    page.evaluate("scrollTo(0, 0)")
    save(page, "lens.png")


def take_ranks_picture(browser: Browser, address: str) -> None:
    """Take one of the counts and of a token's figures."""
    context = browser.new_context(
        viewport={"width": 900, "height": 560}, color_scheme="light", device_scale_factor=1.5
    )
    page = context.new_page()
    page.goto(address)
    page.locator("p.text > .t").nth(16).hover()
    save(page, "ranks.png")


def take_pictures(browser: Browser, address: str) -> None:
    """Take one of each: light, dark with the settings, narrow."""
    light = written(browser, address, 1100, 660, scheme="light")
    save(light.page, "page-light.png")
    dark = written(browser, address, 1100, 660, scheme="dark")
    dark.press("2")
    dark.page.get_by_role("button", name="Settings").click()
    save(dark.page, "page-dark.png")
    narrow = written(browser, address, 320, 600, scheme="light")
    save(narrow.page, "page-narrow.png")


def written(browser: Browser, address: str, width: int, height: int, scheme: Scheme) -> Writer:
    """Return the page with a text and suggestions for it."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        device_scale_factor=1.5,
    )
    writer = Writer(context.new_page())
    writer.open(address)
    writer.setting("Seed", SEED)
    writer.write(BEGINNING)
    writer.suggest()
    writer.page.mouse.move(0, 0)
    return writer


def save(page: Page, name: str) -> None:
    """Take the picture."""
    picture = Image.open(BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
