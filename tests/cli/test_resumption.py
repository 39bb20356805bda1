"""Downloads that were interrupted: the next one goes on where they were, with the right bytes."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from distilgpt2_cli.models import parts
from distilgpt2_cli.models.catalog import REPOSITORY
from tests.support.disks import small_disk
from tests.support.extent import cases
from tests.support.hub import FOR_EVER, Fault, Hub, object_id
from tests.support.processes import wait_until
from tests.support.run import TIMEOUT, run, started, terminal
from tests.support.stock import (
    CONTENT,
    MAIN,
    NAME,
    arrived_below,
    files_below,
    stock,
    wait_until_arrived,
)

HALF = len(CONTENT) // 2
KEPT = b"The part that has arrived is kept: the next download resumes there.\n"


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub with one quantization of DistilGPT2."""
    return stock(hub)


class Place(NamedTuple):
    """Where files are downloaded to: the arguments, the folder, and the file in it."""

    arguments: tuple[str, ...]
    folder: Path
    file: Path


@pytest.fixture(params=["cache", "folder"])
def place(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Place:
    """The cache, and a folder of the user's."""
    return place_of(request.param, hub, tmp_path)


@pytest.fixture(params=cases(["folder"], ["cache"]))
def one_place(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Place:
    """One of them, for what happens to a part wherever it is."""
    return place_of(request.param, hub, tmp_path)


def place_of(kind: str, hub: Hub, tmp_path: Path) -> Place:
    if kind == "cache":
        return Place(MAIN, hub.cache, hub.snapshot(REPOSITORY) / NAME)
    folder = tmp_path / "models"
    return Place((*MAIN, "--to", str(folder)), folder, folder / NAME)


def interrupt(hub: Hub, place: Place, number: int = signal.SIGINT) -> bytes:
    """Interrupt a download after half of the file; return what it said."""
    hub.fail(Fault(stall_at=HALF, stall_seconds=FOR_EVER))
    with started(*place.arguments, env=hub.environment()) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"Downloading")
        wait_until_arrived(place.folder, HALF)
        process.send_signal(number)
        assert process.wait(TIMEOUT) == (-number if number == signal.SIGKILL else 128 + number)
        said = process.stderr.read()
    hub.recover()
    hub.requests.clear()
    return said


def parts_below(folder: Path) -> list[int]:
    """Return the sizes of what has arrived, whatever else is there."""
    return [path.stat().st_size for path in folder.rglob("*.incomplete")]


def ranges(hub: Hub) -> list[str | None]:
    """Return the ranges that the client has requested, None for a whole file."""
    return [request.headers.get("range") for request in hub.requests if request.method == "GET"]


def only_the_file_is_left(place: Place) -> None:
    assert place.file.read_bytes() == CONTENT
    left = {path.resolve() for path in files_below(place.folder)}
    assert left == {place.file.resolve()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_next_download_goes_on_where_it_was(hub: Hub, place: Place, number: int) -> None:
    said = interrupt(hub, place, number)
    assert said == (b"" if number == signal.SIGKILL else KEPT)
    result = run(*place.arguments, env=hub.environment())
    assert result.returncode == 0
    assert f"Downloading {NAME} (1.0 MB), resuming at 0.5 MB.\n".encode() in result.stderr
    assert ranges(hub) == [f"bytes={HALF}-"]
    only_the_file_is_left(place)


def test_a_terminal_shows_where_it_goes_on(hub: Hub, one_place: Place) -> None:
    interrupt(hub, one_place)
    with terminal(*one_place.arguments, env=hub.environment(NO_COLOR="1")) as screen:
        assert screen.wait() == 0
    assert b"Resuming at 0.5 MB." in screen.output


def test_force_goes_on_too(hub: Hub, place: Place) -> None:
    assert run(*place.arguments, env=hub.environment()).returncode == 0
    forced = (*place.arguments, "--force")
    hub.fail(Fault(stall_at=HALF, stall_seconds=FOR_EVER))
    with started(*forced, env=hub.environment()) as process:
        wait_until(lambda: parts_below(place.folder) == [HALF])
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 128 + signal.SIGINT
    assert place.file.read_bytes() == CONTENT
    hub.recover()
    hub.requests.clear()
    assert run(*forced, env=hub.environment()).returncode == 0
    assert ranges(hub) == [f"bytes={HALF}-"]
    only_the_file_is_left(place)


def test_generate_goes_on_with_what_download_has_got(hub: Hub, tiny: Path) -> None:
    content = tiny.read_bytes()
    hub.add(REPOSITORY, {NAME: content})
    hub.fail(Fault(stall_at=1000, stall_seconds=FOR_EVER))
    with started(*MAIN, env=hub.environment()) as process:
        wait_until(lambda: parts_below(hub.cache) == [1000])
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 128 + signal.SIGINT
    hub.recover()
    hub.requests.clear()
    generate = ("generate", "--revision", "main", "--seed", "1", "--max-tokens", "1", "Hi")
    assert run(*generate, env=hub.environment()).returncode == 0
    assert ranges(hub) == ["bytes=1000-"]


def test_a_file_that_has_changed_is_downloaded_from_the_beginning(hub: Hub, place: Place) -> None:
    """What has arrived of the old one is removed."""
    interrupt(hub, place)
    changed = CONTENT[::-1]
    hub.add(REPOSITORY, {NAME: changed}, commit="f" * 40)
    assert run(*place.arguments, env=hub.environment()).returncode == 0
    assert ranges(hub) == [None]
    (left,) = {path.resolve() for path in files_below(place.folder)}
    assert left.read_bytes() == changed


@pytest.mark.parametrize(
    ("headers", "status", "wanted"),
    [
        ({}, 200, [f"bytes={HALF}-"]),
        ({}, 416, [f"bytes={HALF}-", None]),
        ({"Content-Range": "bytes 7-9/10"}, None, [f"bytes={HALF}-", None]),
    ],
)
def test_a_server_without_ranges(
    hub: Hub, headers: dict[str, str], status: int | None, wanted: list[str | None]
) -> None:
    place = Place(MAIN, hub.cache, hub.snapshot(REPOSITORY) / NAME)
    interrupt(hub, place)
    if status == 200:
        hub.ranges = False
    else:
        hub.fail(Fault(status=status, headers=headers, times=1))
    assert run(*MAIN, env=hub.environment()).returncode == 0
    assert ranges(hub) == wanted
    only_the_file_is_left(place)


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 5])
def test_a_damaged_part_is_downloaded_again_once(hub: Hub, one_place: Place, size: int) -> None:
    interrupt(hub, one_place)
    (part,) = files_below(one_place.folder)
    part.write_bytes(b"x" * size)
    result = run(*one_place.arguments, env=hub.environment())
    assert result.returncode == 0
    assert ranges(hub)[-1] is None
    said = f"The resumed {NAME} has the wrong hash; downloading it from the beginning.\n"
    assert (said.encode() in result.stderr) == (size <= len(CONTENT))
    only_the_file_is_left(one_place)


def test_a_hub_with_a_damaged_file_is_not_asked_for_ever(hub: Hub, one_place: Place) -> None:
    interrupt(hub, one_place)
    hub.fail(Fault(flip_at=HALF + 1))
    result = run(*one_place.arguments, env=hub.environment())
    assert result.returncode == 4
    assert ranges(hub) == [f"bytes={HALF}-", None]
    assert files_below(one_place.folder) == []


def test_a_second_process_waits_and_takes_what_the_first_has_got(hub: Hub, place: Place) -> None:
    hub.fail(Fault(stall_at=HALF, stall_seconds=FOR_EVER, times=1))
    with (
        started(*place.arguments, env=hub.environment()) as first,
        started(*place.arguments, env=hub.environment()) as second,
    ):
        said = [process.stderr.readline() for process in (first, second) if process.stderr]
        waits = [line.startswith(b"Another process is downloading this file") for line in said]
        assert sorted(waits) == [False, True]
        loading, waiting = (second, first) if waits[0] else (first, second)
        wait_until_arrived(place.folder, HALF)
        loading.kill()
        assert waiting.wait(TIMEOUT) == 0
    assert f"bytes={HALF}-" in ranges(hub)
    only_the_file_is_left(place)


def test_many_processes_go_on_together(hub: Hub, one_place: Place) -> None:
    interrupt(hub, one_place)
    with ThreadPoolExecutor(3) as pool:
        results = list(
            pool.map(lambda _: run(*one_place.arguments, env=hub.environment()), range(3))
        )
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert ranges(hub) == [f"bytes={HALF}-"]
    only_the_file_is_left(one_place)


def test_a_disk_that_is_full_before_and_during_the_download(hub: Hub, tmp_path: Path) -> None:
    """Nothing is transferred for which there is no space, and what has arrived is kept."""
    with small_disk(tmp_path / "disk", "1400k") as disk:
        place = Place((*MAIN, "--to", str(disk)), disk, disk / NAME)
        interrupt(hub, place)
        (disk / "other").write_bytes(bytes(600_000))
        result = run(*place.arguments, env=hub.environment())
        assert (result.returncode, ranges(hub)) == (1, [])
        assert b"No space left on device. Free some space" in result.stderr
        (disk / "other").unlink()
        assert arrived_below(disk) == [HALF]
        assert run(*place.arguments, env=hub.environment()).returncode == 0
        assert ranges(hub) == [f"bytes={HALF}-"]
        only_the_file_is_left(place)


def test_a_limit_on_the_size_of_files(hub: Hub, one_place: Place) -> None:
    """What no further run can complete does not fill the disk."""
    launcher = ("sh", "-c", 'ulimit -f 1000; exec "$@"', "sh")
    result = run(*one_place.arguments, env=hub.environment(), launcher=launcher)
    assert result.returncode == 1
    assert b"The disk is full: the part that has arrived is removed.\n" in result.stderr
    assert b"can't be written: File too large. Raise the limit" in result.stderr
    assert files_below(one_place.folder) == []


def test_a_part_of_another_kind_is_replaced(hub: Hub, tmp_path: Path) -> None:
    """In a folder that others can write to, nothing is written through a link."""
    folder, victim = tmp_path / "models", tmp_path / "victim"
    folder.mkdir()
    victim.write_bytes(b"precious")
    (folder / f".{object_id(CONTENT)}.{NAME}.incomplete").symlink_to(victim)
    assert run(*MAIN, "--to", str(folder), env=hub.environment()).returncode == 0
    assert victim.read_bytes() == b"precious"
    assert (folder / NAME).read_bytes() == CONTENT
    assert not (folder / NAME).is_symlink()


def test_a_part_is_kept_for_some_days(hub: Hub, one_place: Place) -> None:
    """That of another file, until it has not grown for long; nothing else is touched."""
    hub.add(REPOSITORY, {NAME: CONTENT, "distilgpt2.Q2_K.gguf": b"small"})
    interrupt(hub, one_place)
    (part,) = files_below(one_place.folder)
    other = part.with_name("another.incomplete")
    other.touch()
    os.utime(other, (0, 0))
    small = (*one_place.arguments, "--quant", "Q2_K", "--force")
    for age, kept in ((parts.KEPT_DAYS - 1, True), (parts.KEPT_DAYS + 1, False)):
        then = time.time() - age * 86_400
        os.utime(part, (then, then))
        assert run(*small, env=hub.environment()).returncode == 0
        assert part.exists() == kept
    assert other.exists()


def test_names_of_parts_fit_any_file_system(hub: Hub, one_place: Place) -> None:
    name = "ü" * 110 + ".Q8_0.gguf"
    hub.add("some/long", {name: CONTENT})
    arguments = ("download", "--repo", "some/long", "--quant", "Q8_0", *one_place.arguments[3:])
    interrupt(hub, one_place._replace(arguments=arguments))
    assert arrived_below(one_place.folder) == [HALF]
    result = run(*arguments, env=hub.environment())
    assert result.returncode == 0
    assert b"resuming at 0.5 MB" in result.stderr


def test_a_disk_that_fills_up_during_the_download(hub: Hub, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1400k") as disk:
        hub.fail(Fault(stall_at=HALF, stall_seconds=FOR_EVER))
        arguments = (*MAIN, "--to", str(disk / "models"))
        with started(*arguments, env=hub.environment()) as process:
            wait_until_arrived(disk / "models", HALF)
            subprocess.run(["dd", "if=/dev/zero", f"of={disk}/other"], capture_output=True)
            hub.go_on()
            assert process.wait(TIMEOUT) == 1
            assert process.stderr is not None
            said = process.stderr.read()
        assert b"The disk is full: the part that has arrived is removed.\n" in said
        assert b"No space left on device. Free some space" in said
        assert [path.name for path in files_below(disk)] == ["other"]
