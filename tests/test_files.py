"""Files that appear complete or not at all; only folders that distil made are removed."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.errors import DistilError, ExitStatus
from distilgpt2_cli.files import check_new_file, new_file
from tests.support.hub import Hub
from tests.support.processes import wait_until
from tests.support.run import DISTIL, TIMEOUT, run
from tests.support.stock import MAIN, NAME, stock

WRITE_MANY = """
import sys
from pathlib import Path
from distilgpt2_cli.files import new_file
folder, run, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(count):
    with new_file(folder / f"{run}-{number}.txt", force=False) as part:
        part.write_text("complete")
"""
WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from distilgpt2_cli.files import new_file
with new_file(Path(sys.argv[1]), force=True) as part:
    part.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def write(path: Path, text: str = "new") -> None:
    with new_file(path, force=True) as part:
        part.write_text(text)


def write_half(path: Path) -> None:
    with new_file(path, force=True) as part:
        part.write_text("half")
        raise KeyboardInterrupt


def is_a_folder(path: Path) -> str:
    return f"Error: {path} is a folder. Move it away, or choose another place for the file.\n"


@contextmanager
def at_work(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has written half of a file and waits."""
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"half\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    with new_file(path, force=True) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [".distil-notes", ".distil-diary_24", ".distil-"])
@pytest.mark.parametrize("command", ["features", "download"])
def test_a_user_s_folder_of_such_a_name_stays(
    hub: Hub, tiny: Path, tmp_path: Path, name: str, command: str
) -> None:
    stock(hub)
    out = tmp_path / "out"
    thesis = out / name / "sub" / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("important")
    arguments = {
        "features": ("features", "-m", str(tiny), "Hi", "--output", str(out / "x.npy")),
        "download": (*MAIN, "--to", str(out)),
    }[command]
    assert run(*arguments, env=hub.environment()).returncode == ExitStatus.DONE
    assert thesis.read_text() == "important"
    assert {path.name for path in out.iterdir()} - {"x.npy", NAME} == {name}


def test_what_a_killed_run_left_is_removed_and_a_copy_of_it_is_not(tmp_path: Path) -> None:
    with at_work(tmp_path / "f.txt") as process:
        (left,) = tmp_path.glob(".distil-*")
        copy = left.rename(tmp_path / ".distil-saved_by_me")
        left.symlink_to(copy)
        write(tmp_path / "g.txt")
        assert (copy / "f.txt").read_text() == "half"
        left.unlink()
        copy.rename(left)
        process.send_signal(signal.SIGKILL)
    assert (left / "f.txt").read_text() == "half"
    write(tmp_path / "g.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["g.txt"]


def test_what_a_run_is_writing_stays(tmp_path: Path) -> None:
    with at_work(tmp_path / "f.txt"):
        (private,) = tmp_path.glob(".distil-*")
        write(tmp_path / "g.txt")
        assert (private / "f.txt").read_text() == "half"


def test_runs_into_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each of 10 processes writes 60 files, one after the other."""
    script = [sys.executable, "-c", WRITE_MANY, str(tmp_path)]
    processes = [
        subprocess.Popen([*script, str(number), "60"], stderr=subprocess.PIPE)
        for number in range(10)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert errors == [b""] * len(processes)
    assert len(list(tmp_path.glob("*.txt"))) == 600
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_is_refused_before_the_work(
    env: dict[str, str], tiny: Path, tmp_path: Path, force: bool
) -> None:
    """Nothing was read from standard input by then: it stays open all the time."""
    folder = tmp_path / "folder.npy"
    folder.mkdir()
    arguments = ["features", "-m", str(tiny), "--output", str(folder), "--lines", "--pool", "mean"]
    arguments += ["--force"] if force else []
    read, write_end = os.pipe()
    result = subprocess.run([*DISTIL, *arguments], env=env, stdin=read, capture_output=True)
    os.close(read)
    os.close(write_end)
    assert (result.returncode, result.stderr.decode()) == (ExitStatus.FAILED, is_a_folder(folder))


def test_a_folder_that_can_t_be_written_is_found_before_the_work() -> None:
    with pytest.raises(DistilError) as caught:
        check_new_file(Path("/proc/x.npy"), (".npy",), force=False)
    assert str(caught.value) == (
        "/proc/x.npy can't be written: No such file or directory. Choose another folder for it."
    )


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/proc/x.npy", ["features", "a", "--output"]),
        ("/proc/x.html", ["probe", "{a|b} c", "--html"]),
        ("/proc/x.svg", ["perplexity", "-", "--model", "demo", "--plot"]),
    ],
)
def test_no_advice_names_an_option_that_the_command_lacks(
    env: dict[str, str], tiny: Path, path: str, arguments: list[str]
) -> None:
    stdin = b"Some text. " * 20 if "-" in arguments else b""
    result = run(*arguments, path, "--model", str(tiny), env=env, stdin=stdin)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert result.stderr.decode() == (
        f"Error: {path} can't be written: No such file or directory. Choose another folder for"
        " it.\n"
    )


def test_a_folder_in_the_place_of_a_download_is_refused_before_the_transfer(
    hub: Hub, tmp_path: Path
) -> None:
    stock(hub)
    (tmp_path / NAME).mkdir()
    for force in ([], ["--force"]):
        result = run(*MAIN, "--to", str(tmp_path), *force, env=hub.environment())
        assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
        assert result.stderr.decode() == is_a_folder(tmp_path / NAME)
    assert "GET" not in {request.method for request in hub.requests}


def test_a_file_that_appears_during_the_run_is_not_overwritten(
    env: dict[str, str], tmp_path: Path
) -> None:
    """And the result of the run is not lost."""
    path = tmp_path / "y.npy"
    command = [*DISTIL, "features", "-m", "demo", "--lines", "--pool", "mean"]
    with subprocess.Popen(
        [*command, "--output", str(path)], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        process.stdin.write(b"a\n")
        process.stdin.flush()
        wait_until(lambda: any(tmp_path.glob(".distil-*/y.npy")))
        path.write_text("MINE")
        _, errors = process.communicate(b"b\n", timeout=TIMEOUT)
    assert (process.returncode, path.read_text()) == (ExitStatus.FAILED, "MINE")
    assert errors.decode() == (
        f"Error: {path} was created during the run, and was not overwritten. The result is in"
        f" {tmp_path / 'y-2.npy'}.\n"
    )
    assert np.load(tmp_path / "y-2.npy").shape[0] == 2
    assert {each.name for each in tmp_path.iterdir()} <= {"y.npy", "y-2.npy", "home"}


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file system has no hard links."""
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    path = tmp_path / "f.txt"
    with new_file(path, force=False) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    with pytest.raises(DistilError), new_file(path, force=False) as part:
        part.write_text("newer")
    assert path.read_text() == "new"
    assert (tmp_path / "f-2.txt").read_text() == "newer"


def _no_links(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")
