"""Every byte of a result is written, or the exit status is not 0, whatever standard output is."""

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.buffering import buffered_or_not
from tests.support.forked import Run, run_all
from tests.support.processes import wait_until_asleep
from tests.support.quick_model import env as env
from tests.support.run import DISTIL, TIMEOUT, run

THREAD = ("--threads", "1")
GENERATE = ("generate", *THREAD, "-s", "1", "--max-tokens", "4")
COMPLETION = {"COMP_WORDS": "distil gen", "COMP_CWORD": "1", "_DISTIL_COMPLETE": "complete_bash"}
TEXT = "Once upon a time there was a little girl named Lily."
NO_SPACE = (
    "Error: Standard output can't be written: No space left on device."
    " Free some space on this disk, then run the command again.\n"
)
TOO_LARGE = (
    "can't be written: File too large."
    " Raise the limit on file sizes (ulimit -f), or use another disk.\n"
)


OUTPUTS = [
    Run(["--help"]),
    Run(["generate", "--help"]),
    Run(["--version"]),
    Run(["--show-completion", "bash"]),
    Run([], COMPLETION),
    Run([*GENERATE, "Hi"]),
    Run([*GENERATE, "--json", "Hi"]),
    Run([*GENERATE, "--lines"], stdin="Hi\n"),
    Run(["tokenize", "Hi"]),
    Run(["next", *THREAD, "Hi"]),
    Run(["score", *THREAD, "--lines"], stdin="Hi\n"),
    Run(["features", *THREAD, "Hi"]),
    Run(["lens", *THREAD, "Hi"]),
    Run(["probe", *THREAD, "-s1", "-n", "1", "--max-tokens", "2", "--csv", "words", "{a|b} c"]),
    Run(["perplexity", *THREAD, "--quiet", "-"], stdin="Once upon a time"),
    Run(["info", "-m", "demo"]),
    Run(["models"]),
]


@buffered_or_not
def test_a_full_disk_whatever_is_written(env: dict[str, str], tmp_path: Path) -> None:
    full = [each._replace(stdout="/dev/full") for each in OUTPUTS]
    for each, result in zip(full, run_all(full, env, tmp_path), strict=True):
        assert (result.status, result.errors) == (ExitStatus.FAILED, NO_SPACE), each


@buffered_or_not
def test_errors_that_can_t_be_written_change_nothing(env: dict[str, str], tmp_path: Path) -> None:
    runs = [
        Run([*GENERATE, "--stats", "Hi"]),
        Run(["perplexity", *THREAD, "-"], stdin="Once upon a time"),
        Run(["score", *THREAD, "--lines"], stdin="Hi\n\n\udcff\nHi\n"),
        Run(["generate", "--nonsense"]),
        Run(["generate", "--model", "none.gguf", "Hi"]),
    ]
    results = run_all([*runs, *(each._replace(stderr="/dev/full") for each in runs)], env, tmp_path)
    for seen, unseen in zip(results[: len(runs)], results[len(runs) :], strict=True):
        assert seen.errors
        assert (unseen.status, unseen.errors) == (seen.status, "")
        assert unseen.output.count("\n") == seen.output.count("\n")
    assert [result.status for result in results[: len(runs)]] == [0, 0, 1, 2, 3]


def limited(*arguments: str) -> list[str]:
    """Return the command of a run that can write files of 1 kB at most."""
    # Python itself would cut off its own files of bytecode, without an error.
    shell = 'ulimit -f 1; PYTHONDONTWRITEBYTECODE=1 exec "$@"'
    return ["bash", "-c", shell, "bash", *DISTIL, *arguments]


@buffered_or_not
def test_a_limit_of_file_size(env: dict[str, str], tmp_path: Path) -> None:
    """Of 1 kB, which a write fills in part before the next one fails."""
    command = limited(*GENERATE, "--json", "Hi")
    with (tmp_path / "out.json").open("wb") as out:
        result = subprocess.run(command, env=env, stdout=out, stderr=subprocess.PIPE)
    expected = (ExitStatus.FAILED, f"Error: Standard output {TOO_LARGE}")
    assert (result.returncode, result.stderr.decode()) == expected
    assert (tmp_path / "out.json").stat().st_size == 1024


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("x.npy", ["features", *THREAD, TEXT, "--output"]),
        ("x.npz", ["features", *THREAD, TEXT, "--output"]),
        ("x.jsonl", ["features", *THREAD, TEXT, "--output"]),
        ("lens.npz", ["lens", *THREAD, TEXT, "--npz"]),
        ("lens.html", ["lens", *THREAD, TEXT, "--html"]),
        ("x.html", ["probe", *THREAD, "-s1", "-n", "1", "--max-tokens", "2", "{a|b} c", "--html"]),
        ("x.png", ["perplexity", *THREAD, "--quiet", "-", "--plot"]),
    ],
)
def test_a_file_that_has_no_room(
    env: dict[str, str], tmp_path: Path, name: str, arguments: list[str]
) -> None:
    text = TEXT.encode() if "-" in arguments else b""
    command = limited(*arguments, name)
    result = subprocess.run(command, env=env, cwd=tmp_path, input=text, capture_output=True)
    expected = (ExitStatus.FAILED, f"Error: {name} {TOO_LARGE}")
    assert (result.returncode, result.stderr.decode()) == expected
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@buffered_or_not
@pytest.mark.parametrize(
    "arguments", [(*GENERATE, "--json", "-n", "5", "Hi"), ("generate", "--help")]
)
def test_a_pipe_that_does_not_block(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    """It takes 4 kB, which are there already, and its reader begins late."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write_end, bytes(4096))
    os.set_blocking(write_end, False)
    with (
        os.fdopen(read_end, "rb") as reader,
        subprocess.Popen([*DISTIL, *arguments], env=env, stdout=write_end) as process,
    ):
        os.close(write_end)
        wait_until_asleep(process.pid)
        output = reader.read()[4096:]
        assert process.wait(TIMEOUT) == 0
    expected = run(*arguments, env=env).stdout
    if "--json" in arguments:
        assert _texts(output) == _texts(expected)
    else:
        assert output == expected


def _texts(lines: bytes) -> list[str]:
    return [json.loads(line)["text"] for line in lines.splitlines()]


@buffered_or_not
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), (*GENERATE, "Hi")])
def test_a_reader_that_is_gone(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run([*DISTIL, *arguments], env=env, stdout=write_end, stderr=-1)
    os.close(write_end)
    assert (result.returncode, result.stderr) == (-signal.SIGPIPE, b"")
