"""What a Hub for the tests of downloads has, and what a download may leave behind."""

import time
from pathlib import Path

from distilgpt2_cli.models.catalog import REPOSITORY, REVISION

from .hub import Hub
from .run import TIMEOUT

CONTENT = bytes(range(256)) * 4096  # 1 MiB
NAME = "distilgpt2.Q4_K_M.gguf"
OTHER = "some/models"
OTHER_FILES = {"a/m-Q4_K.gguf": b"one", "m-Q4_K_M.gguf": b"two", "m.Q8_0-00001-of-00002.gguf": b""}
MAIN = ("download", "--revision", "main")


def stock(hub: Hub) -> Hub:
    """Put one file of DistilGPT2, on its branch and at the catalog's commit, and another model."""
    hub.add(REPOSITORY, {NAME: CONTENT})
    hub.add(REPOSITORY, {NAME: CONTENT}, commit=REVISION, branch="pinned")
    hub.add(OTHER, OTHER_FILES)
    return hub


def files_below(folder: Path) -> list[Path]:
    """Return every file but the marks that the cache itself keeps."""
    return [
        path
        for path in folder.rglob("*")
        if not path.is_dir() and path.suffix != ".lock" and path.parent.name != "refs"
        if path.name != "CACHEDIR.TAG"
    ]


def arrived_below(folder: Path) -> list[int]:
    """Return the sizes of what interrupted downloads of `CONTENT` have left; else there is nothing.

    Raises:
        AssertionError: there is something else.
    """
    parts = files_below(folder)
    assert all(path.suffix == ".incomplete" for path in parts), parts
    assert all(CONTENT.startswith(path.read_bytes()) for path in parts)
    return [path.stat().st_size for path in parts]


def wait_until_arrived(folder: Path, size: int) -> None:
    """Wait until a download has left so many bytes there."""
    deadline = time.monotonic() + TIMEOUT
    while arrived_below(folder) != [size]:
        assert time.monotonic() < deadline, arrived_below(folder)
        time.sleep(0.01)
