"""A cache on a file system without symbolic links: all commands work, and nothing half is taken."""

import json
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.support import no_links
from tests.support.hub import FOR_EVER, Fault, Hub
from tests.support.run import TIMEOUT, WITHOUT_LINKS, run, started
from tests.support.stock import (
    CONTENT,
    MAIN,
    NAME,
    arrived_below,
    files_below,
    stock,
    wait_until_arrived,
)

pytestmark = pytest.mark.skipif(not no_links.is_possible(), reason="no seccomp here")

AT_MAIN = ("--revision", "main")


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub with one quantization of DistilGPT2."""
    return stock(hub)


def distil(hub: Hub, *arguments: str, **changes: str) -> CompletedProcess[bytes]:
    return run(*arguments, env=hub.environment(**changes), launcher=WITHOUT_LINKS)


def cached(hub: Hub) -> Path:
    return hub.snapshot(REPOSITORY) / NAME


def only_this_is_left(hub: Hub) -> None:
    """One whole file, no link, and no second copy of its content."""
    assert models_below(hub.cache) == [cached(hub)]
    assert not cached(hub).is_symlink()
    assert cached(hub).read_bytes() == CONTENT


def models_below(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if path.suffix != ".id"]


def test_a_download_is_found_and_verified_without_a_network(hub: Hub) -> None:
    first = distil(hub, *MAIN)
    assert first.returncode == 0
    assert first.stdout.decode() == f"{cached(hub)}\n"
    only_this_is_left(hub)
    hub.requests.clear()
    offline = {"HF_HUB_OFFLINE": "1"}
    assert distil(hub, *MAIN, **offline).stdout == first.stdout
    verified = distil(hub, "verify", *AT_MAIN, "--json", "--quiet", **offline)
    assert (verified.returncode, json.loads(verified.stdout)["state"]) == (0, "intact")
    assert hub.requests == []


def test_a_damaged_file_is_found_and_repaired(hub: Hub) -> None:
    distil(hub, *MAIN)
    cached(hub).write_bytes(CONTENT[:-1] + b"x")
    assert distil(hub, "verify", *AT_MAIN).returncode == 4
    assert distil(hub, "verify", *AT_MAIN, "--repair").returncode == 0
    only_this_is_left(hub)


def test_force_replaces_what_is_there(hub: Hub) -> None:
    """huggingface-hub itself leaves the old file in place, and the new content among the blobs."""
    distil(hub, *MAIN)
    for content in (b"something else", CONTENT):
        cached(hub).write_bytes(content)
        assert distil(hub, *MAIN, "--force").returncode == 0
        only_this_is_left(hub)
    hub.fail(Fault(status=404))
    assert distil(hub, *MAIN, "--force").returncode == 3
    only_this_is_left(hub)


def test_remove_frees_the_space(hub: Hub) -> None:
    distil(hub, *MAIN)
    removed = distil(hub, "remove", *AT_MAIN, "--yes")
    assert (removed.returncode, removed.stderr) == (0, b"Freed 1.0 MB.\n")
    assert files_below(hub.cache) == []
    assert distil(hub, "verify", *AT_MAIN).returncode == 3


def test_generate_and_models(hub: Hub, tiny: Path) -> None:
    hub.add(REPOSITORY, {NAME: tiny.read_bytes()})
    generate = ("generate", *AT_MAIN, "--seed", "1", "--max-tokens", "3", "Hello")
    first = distil(hub, *generate)
    assert first.returncode == 0
    assert b"Downloading" in first.stderr
    again = distil(hub, *generate, HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, b"")
    assert distil(hub, "models").returncode == 0


def test_to_a_folder(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for _ in range(2):
        assert distil(hub, *MAIN, "--to", str(folder)).returncode == 0
    assert list(folder.iterdir()) == [folder / NAME]
    assert (folder / NAME).read_bytes() == CONTENT


def test_another_revision_has_a_copy_of_its_own(hub: Hub) -> None:
    distil(hub, *MAIN)
    commit = "f" * 40
    hub.add(REPOSITORY, {NAME: CONTENT}, commit=commit, branch="other")
    assert distil(hub, "download", "--revision", "other").returncode == 0
    other = hub.snapshot(REPOSITORY, commit) / NAME
    assert sorted(models_below(hub.cache)) == sorted([cached(hub), other])
    assert distil(hub, "remove", *AT_MAIN, "--yes").returncode == 0
    assert other.read_bytes() == CONTENT


def test_what_another_program_has_downloaded(hub: Hub) -> None:
    """Its hash is unknown, and asked from the Hub; used without a network it is all the same."""
    distil(hub, *MAIN)
    (note,) = (path for path in files_below(hub.cache) if path.suffix == ".id")
    note.unlink()
    verified = distil(hub, "verify", *AT_MAIN, "--quiet")
    assert (verified.returncode, verified.stdout.split()[1]) == (0, b"unknown:")
    assert distil(hub, *MAIN, HF_HUB_OFFLINE="1").returncode == 3
    hub.requests.clear()
    assert distil(hub, *MAIN).returncode == 0
    assert {request.method for request in hub.requests} == {"HEAD"}
    assert distil(hub, "verify", *AT_MAIN, "--quiet").stdout.split()[1] == b"intact:"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_is_resumed(hub: Hub, number: signal.Signals) -> None:
    hub.fail(Fault(stall_at=500_000, stall_seconds=FOR_EVER))
    with started(*MAIN, env=hub.environment(), launcher=WITHOUT_LINKS) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"Downloading")
        wait_until_arrived(hub.cache, 500_000)
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 128 + number
    assert arrived_below(hub.cache) == [500_000]
    hub.recover()
    resumed = distil(hub, *MAIN)
    assert b"resuming at 0.5 MB." in resumed.stderr
    only_this_is_left(hub)


def test_a_killed_download_leaves_nothing_that_is_taken_as_whole(hub: Hub) -> None:
    moments = random.Random(0)
    for _ in range(3):
        hub.fail(Fault(stall_at=700_000, stall_seconds=0.2))
        with started(*MAIN, "--force", env=hub.environment(), launcher=WITHOUT_LINKS) as process:
            time.sleep(moments.uniform(0.05, 0.6))
            process.kill()
        if distil(hub, "verify", *AT_MAIN).returncode != 3:
            assert cached(hub).read_bytes() == CONTENT
    hub.recover()
    assert distil(hub, *MAIN, "--force").returncode == 0
    only_this_is_left(hub)


def test_many_at_once(hub: Hub) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: distil(hub, *MAIN), range(4)))
    assert {result.returncode for result in results} == {0}
    only_this_is_left(hub)
