"""``distil map``: the results of rows in parts are what the commands print for lines."""

import csv
import io
import json
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.emulator import emulated
from tests.support.extent import cases
from tests.support.forked import Run, run_all
from tests.support.missing import without_package
from tests.support.quick_model import env as env
from tests.support.run import run, started

TEXTS = [f"{number} Once upon a time, {'and then ' * (number % 5)}" for number in range(1, 301)]
LINES = "\n".join(TEXTS[:9]).encode() + b"\n\ncaf\xe9\n\n" + "\n".join(TEXTS[9:]).encode()
SHORT = ("--max-tokens", "2", "--seed", "3", "-n", "2")
HERE = ("--workers", "1")
"""Without Ray, which takes seconds to start; the tests of clusters have the others."""
_SPEED = r" in \d+\.\d s, \d+ rows/s\.\n"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Lines of which one is not a text, and two are empty."""
    path = tmp_path / "lines.txt"
    path.write_bytes(LINES)
    return path


def mapped(
    env: dict[str, str], path: Path, *arguments: str, name: str = "out", status: int = 0
) -> Path:
    """Compute rows in this process, and return the folder of the results."""
    folder = path.parent / name
    command, *options = arguments
    alone = ("--workers", "1")
    result = run("map", command, str(path), "-o", str(folder), *alone, *options, env=env)
    assert result.returncode == status, result.stderr
    assert result.stdout.decode() == f"{folder}\n"
    return folder


def files(folder: Path) -> list[Path]:
    """Return the files of the results, in order."""
    return sorted(folder.glob("part-*"))


def content(folder: Path) -> str:
    return "".join(path.read_text() for path in files(folder))


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(folder).splitlines()]


def of_lines(env: dict[str, str], path: Path, *arguments: str) -> str:
    """Return what a command prints for the lines of a file of which one is not a text."""
    result = run(*arguments, "--lines", "--workers", "1", "--file", str(path), env=env)
    assert b"Line 11 is not UTF-8" in result.stderr
    return result.stdout.decode()


@pytest.mark.parametrize(
    "arguments",
    cases(
        [
            ("generate", *SHORT, "--parallel", "8", "--echo"),
            ("score", "--parallel", "8", "--prefix", "Well."),
            ("features", "--parallel", "8"),
        ],
        [("generate", *SHORT)],  # as a run that was interrupted
    ),
    ids=" ".join,
)
def test_lines(env: dict[str, str], lines: Path, arguments: Sequence[str]) -> None:
    folder = mapped(env, lines, *arguments, *HERE, "--part-rows", "1", status=ExitStatus.FAILED)
    assert len(files(folder)) > 1
    alone = (*arguments, "--pool", "mean") if arguments[0] == "features" else arguments
    assert content(folder) == of_lines(env, lines, *alone)
    (error,) = (folder / "_errors").iterdir()
    refused = json.loads(error.read_text())
    assert refused["line"] == 11
    assert "is not UTF-8 text" in refused["error"]


def test_what_is_said(env: dict[str, str], lines: Path) -> None:
    folder = lines.parent / "out"
    arguments = ("map", "score", str(lines), "-o", f"{folder}/", *HERE)
    result = run(*arguments, env=env)
    assert (result.returncode, result.stdout.decode()) == (1, f"{folder}/\n")
    assert re.fullmatch(
        "2 empty lines were skipped.\n"
        r"301 rows, 1 failure, [\d,]+ tokens" + _SPEED + "Error: 1 of 301 rows have no result."
        f" See {folder}/_errors for the reasons, correct the rows, and run those again.\n",
        result.stderr.decode(),
    )
    again = run(*arguments, "--resume", env=env)  # which has nothing to compute
    assert (again.returncode, again.stdout.decode()) == (1, f"{folder}/\n")
    assert "301 rows (301 by an earlier run), 1 failure," in again.stderr.decode()
    assert run(*arguments, "--resume", "--quiet", env=env).stderr.count(b"\n") == 1


def test_prompts_that_are_too_long(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text(f"{'and then ' * 200}\nOnce\n{'never ' * 200}\n")
    folder = tmp_path / "out"
    result = run("map", "generate", str(path), "-o", str(folder), *SHORT, *HERE, env=env)
    assert result.stderr.decode().startswith(
        "2 prompts did not fit the context window: the first tokens of each are left out.\n3 rows, "
    )
    assert (
        content(folder).encode()
        == run("generate", "--lines", *SHORT, "--file", str(path), env=env).stdout
    )


def test_csv_is_that_of_lines(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(TEXTS[:20]))
    folder = mapped(env, path, "score", "--format", "csv", *HERE)
    wanted = run("score", "--lines", "--csv", "--file", str(path), env=env).stdout
    assert content(folder).encode() == wanted


def test_columns_and_identifiers(env: dict[str, str], tmp_path: Path) -> None:
    """The same rows in three formats, and in another order, have the same texts and seeds."""
    import pyarrow
    from pyarrow import parquet

    texts, keys = TEXTS[:6], ["a", "b", "c", "d", "e", "f"]
    objects = [
        {"prompt": text, "key": key, "x": None} for text, key in zip(texts, keys, strict=True)
    ]
    as_json = tmp_path / "rows.jsonl"
    as_json.write_text("".join(json.dumps(each) + "\n" for each in reversed(objects)))
    as_csv = tmp_path / "rows.csv"
    with as_csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["key", "prompt", "x"])
        writer.writeheader()
        writer.writerows(objects)
    as_parquet = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"prompt": texts, "key": keys}), as_parquet)
    options = ("generate", "--column", "prompt", "--id", "key", *SHORT, *HERE)
    of_json = records(mapped(env, as_json, *options, name="jsonl"))
    found = list(csv.DictReader(io.StringIO(content(mapped(env, as_csv, *options, name="csv")))))
    table = parquet.read_table(files(mapped(env, as_parquet, *options, name="parquet"))[0])
    assert list(of_json[0]) == [
        *("line", "key", "index", "prompt", "text", "seed", "finish_reason", "tokens")
    ]
    assert list(found[0]) == table.column_names
    assert table.column_names[:3] == ["row", "key", "index"]
    assert [each["key"] for each in of_json] == [key for key in reversed(keys) for _ in "12"]
    texts_by_seed = {each["seed"]: each["text"] for each in of_json}
    assert {int(each["seed"]): each["text"] for each in found} == texts_by_seed
    assert {each["seed"]: each["text"] for each in table.to_pylist()} == texts_by_seed
    assert len(texts_by_seed) == 12


def test_an_interrupted_run_goes_on(env: dict[str, str], tmp_path: Path) -> None:
    """With the seed that was drawn for it; metrics show meanwhile how far it is."""
    path, folder = tmp_path / "lines.txt", tmp_path / "out"
    many = [f"Day {number}" for number in range(20_000)]  # nobody waits for their end
    path.write_text("\n".join(many))
    short = ("--max-tokens", "4")
    options = ("generate", str(path), "-o", str(folder), "--part-rows", "1", *short, *HERE)
    with started("map", *options, "--metrics", "0", env=env) as process:
        assert process.stderr
        said = process.stderr.readline().decode()
        url = re.fullmatch(r"Metrics are at (http://127\.0\.0\.1:\d+/metrics)\.\n", said)
        assert url
        while int(metric(url[1], "parts_total")) == 0:
            assert process.poll() is None
            time.sleep(0.1)
        assert int(metric(url[1], "rows_total")) >= 1
        assert int(metric(url[1], "input_bytes")) == path.stat().st_size
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
        assert process.returncode == ExitStatus.INTERRUPTED
        assert output == b""
        assert errors.decode() == f"The results so far are in {folder}: go on with --resume.\n"
    some = contents(folder)
    assert "_SUCCESS" not in some
    made = content(folder).count("\n")
    path.write_text("\n".join(many[: made + 40]))
    done = run("map", *options, "--resume", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().startswith(
        f"{made + 40:,} rows ({made:,} by an earlier run), 0 failures, "
    )
    whole = contents(folder)
    assert {name: whole[name] for name in some if "_tmp" not in name} == {
        name: data for name, data in some.items() if "_tmp" not in name
    }
    seed = str(json.loads(whole["_distil.json"])["seed"])
    alone = ("generate", "--lines", "--seed", seed, *short, "--file", str(path))
    assert content(folder).encode() == run(*alone, env=env).stdout


def metric(url: str, name: str) -> str:
    with urllib.request.urlopen(url) as answer:
        found = re.search(rf"^distil_map_{name} (\d+)$", answer.read().decode(), re.MULTILINE)
    assert found
    return found[1]


def test_a_bar_on_a_terminal(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(TEXTS[:9]))
    arguments = ("map", "score", str(path), "-o", str(tmp_path / "out"), *HERE)
    with emulated(*arguments, env=env) as shell:
        assert shell.screen.wait() == 0
    shown = shell.screen.output.decode()
    assert "9 rows · " in shown
    assert f"{tmp_path}/out\r\n" in shown


def test_what_is_refused_before_the_work(env: dict[str, str], tmp_path: Path) -> None:
    table, other = tmp_path / "a.csv", tmp_path / "a.txt"
    table.write_text("id,words\n1,Hi\n")
    other.write_text("Hi\n")
    score = ("map", "score")
    rows, out = str(table), str(tmp_path / "out")
    to = ("-o", out)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        wanted = {
            (*score, rows, *to): "has no column text",
            (*score, rows, *to, "--column", "words", "--id", "key"): "has no column key",
            (*score, str(other), *to, "--column", "words"): "has lines of text",
            (*score, rows, str(other), *to): "of different formats",
            (*score, str(tmp_path / "no"), *to): "no such file or folder. Check its name.",
            (*score, "-", *to): "Standard input is not a file",
            (*score, str(other), *to, "--part-rows", "0"): "--part-rows can't be 0. Use 1",
            (*score, str(other), *to, "--workers", "x"): "--workers can't be x. Use auto, or a",
            (*score, str(other), *to, "--threads", "0"): "--threads can't be 0. Use auto, or a",
            (*score, str(other), *to, "--parallel", "0"): "--parallel can't be 0. Use 1 or more.",
            (*score, str(other), *to, "--cluster", ""): "--cluster is empty. Name host:port",
            (*score, str(other), *to, "--metrics", "x"): "--metrics can't be 'x'. Use a port, or",
            (*score, str(other), *to, "--metrics", ":1"): "--metrics can't be ':1'. Use a port",
            (*score, str(other), *to, "--model", "no.gguf"): "The model file no.gguf can't be",
            (*score, str(other), *to, "--window", "999"): "A context of 999 tokens does not fit",
            ("map", "features", str(other), *to, "--layer", "9"): "--layer can't be 9. Use",
            ("map", "generate", str(other), *to, "--grammar", rows): "grammar",
            ("map", "generate", str(other), *to, "--seed", "-1"): "--seed can't be -1.",
            (*score, str(other), *to, "--metrics", port): f"Can't listen on 127.0.0.1 port {port}:"
            " Address already in use. Choose another port for --metrics.",
        }
        found = run_all([Run(each) for each in wanted], env, tmp_path)
    for said, result in zip(wanted.values(), found, strict=True):
        assert (result.status > 0, result.output) == (True, "")
        assert result.errors.startswith("Error: ")
        assert said in result.errors
        assert result.errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_run(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("Hi\n")
    folder = mapped(env, path, "score", *HERE)
    before = contents(folder)
    arguments = ("map", "score", str(path), "-o", str(folder))
    runs = [
        Run(arguments),
        Run((*arguments, "--resume", "--prefix", "Well.")),
        Run(("map", "features", str(path), "-o", str(folder), "--resume")),
    ]
    for result in run_all(runs, env, tmp_path):
        assert (result.status > 0, result.output) == (True, "")
        assert f" {folder} " in result.errors
    assert contents(folder) == before


def test_without_the_extra(env: dict[str, str], tmp_path: Path) -> None:
    """The error comes before anything is read."""
    without = without_package(env, tmp_path, "ray")
    result = run("map", "score", "nowhere.txt", "-o", str(tmp_path / "out"), env=without)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert result.stderr.startswith(
        b"Error: distil map needs Ray and PyArrow, which are not installed. Install them with: "
    )
    assert b"ray[data]" in result.stderr


def test_an_input_can_be_corrected(env: dict[str, str], tmp_path: Path) -> None:
    """What was done before its fault stays, and the run goes on although its size has changed."""
    first, second, folder = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "out"
    first.write_text("text\n" + "Some words\n" * 600)
    second.write_text("words\nHi\n")
    command = ("map", "score", str(first), str(second), "-o", str(folder), "--part-rows", "1")
    failed = run(*command, "--workers", "1", env=env)
    assert (failed.returncode, failed.stdout) == (ExitStatus.FAILED, b"")
    assert failed.stderr.decode() == (
        f"Error: {second} has no column text (after row 600)."
        " Make it like the first file, then go on with --resume.\n"
    )
    done = contents(folder)
    assert len(files(folder)) > 0
    second.write_text("text\nA better row\n")
    whole = run(*command, "--workers", "1", "--resume", env=env)
    assert whole.returncode == 0, whole.stderr
    assert b"601 rows (" in whole.stderr
    assert done.items() <= contents(folder).items()
    first.write_text("text\nAnother row\n")
    other = run(*command, "--workers", "1", "--resume", env=env)
    assert "was computed from other rows: the input has changed" in other.stderr.decode()


def test_an_input_that_ends_where_a_part_did(env: dict[str, str], tmp_path: Path) -> None:
    """The folder would have more results than the input has rows."""
    path, folder = tmp_path / "lines.txt", tmp_path / "out"
    path.write_text("Some words\n" * 512)
    command = ("map", "score", str(path), "-o", str(folder), "--part-rows", "1", *HERE)
    assert run(*command, env=env).returncode == 0
    path.write_text("Some words\n" * 256)
    shorter = run(*command, "--resume", env=env)
    assert (shorter.returncode, shorter.stdout) == (ExitStatus.FAILED, b"")
    assert shorter.stderr.decode() == (
        f"Error: {folder} has results of rows that the input does not have any more."
        " Use another folder for the results of this input.\n"
    )
    assert "_SUCCESS" not in contents(folder)


def test_debug_shows_the_traceback_of_another_process(env: dict[str, str], tmp_path: Path) -> None:
    """Of one that nobody expected, as of a package that is damaged."""
    package = tmp_path / "damaged" / "ray"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def damaged():\n    return {}['part']\n\n\ndamaged()\n")
    source = tmp_path / "in.txt"
    source.write_text("Once\n" * 600)
    parts = ("--part-rows", "1", "--workers", "2")
    command = ("map", "score", str(source), "-o", str(tmp_path / "out"), *parts)
    damaged = {**env, "PYTHONPATH": str(package.parent)}
    said = run(*command, env=damaged).stderr
    assert said.startswith(b"Error: Unexpected error: KeyError: 'part'. Run the command again")
    debugged = {**damaged, "DISTIL_DEBUG": "1"}
    assert b"in damaged\n" in run(*command, "--resume", env=debugged).stderr
