"""Make the pictures of ``docs/page.md``: ``python -m tests.web.screenshots``."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser

from tests.support.run import environment
from tests.support.server import serving
from tests.web.browser import Writer, chromium

Scheme = Literal["light", "dark"]
IMAGES = Path(__file__).parents[2] / "docs/images"
COLOURS = 128  # the pages have few; a palette makes the files a third as large
BEGINNING = """It was a quiet evening in the village, and everybody was at home. \
Only Lily was out: she had found a little door in the old garden wall.

When she opened it, she saw"""
SEED = "29"


def main() -> None:
    """Write a few lines on a server with the demo model."""
    IMAGES.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as home,
        serving("--model", "demo", env=environment(Path(home))) as server,
        chromium() as browser,
    ):
        take_pictures(browser, server.url)


def take_pictures(browser: Browser, address: str) -> None:
    """Take one of each: light, dark with the settings, narrow."""
    light = written(browser, address, 1100, 660, scheme="light")
    save(light, "page-light.png")
    dark = written(browser, address, 1100, 660, scheme="dark")
    dark.press("2")
    dark.page.get_by_role("button", name="Settings").click()
    save(dark, "page-dark.png")
    narrow = written(browser, address, 320, 600, scheme="light")
    save(narrow, "page-narrow.png")


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


def save(writer: Writer, name: str) -> None:
    """Take the picture."""
    picture = Image.open(BytesIO(writer.page.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
