"""``distil features``: hidden states as numbers, in NumPy's files and in JSON."""

import io
import json
import signal
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Evaluator, Model, look_inside
from distilgpt2_cli.errors import ExitStatus
from tests.support.run import TIMEOUT, run, started

TEXT = "Replace me by any text you'd like."


def output(env: dict[str, str], model: Path, *options: str, stdin: bytes = b"") -> bytes:
    result = run("features", "-m", str(model), *options, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout


def states(path: Path, text: str) -> np.ndarray:
    with Model(path) as model, Evaluator(model, hidden_states=True) as evaluator:
        return evaluator.hidden_states(model.tokenize(text))


def test_rows_of_numbers(env: dict[str, str], tiny: Path) -> None:
    expected = states(tiny, TEXT)
    rows = np.loadtxt(io.BytesIO(output(env, tiny, TEXT)), dtype=np.float32)
    assert np.array_equal(rows, expected)
    last = np.loadtxt(io.BytesIO(output(env, tiny, "--pool", "last", TEXT)), dtype=np.float32)
    assert np.array_equal(last, expected[-1])
    mean = np.loadtxt(io.BytesIO(output(env, tiny, "--pool", "mean", stdin=TEXT.encode())))
    np.testing.assert_allclose(mean, expected.mean(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pool", ["none", "mean", "last"])
def test_files_of_one_text(env: dict[str, str], tiny: Path, tmp_path: Path, pool: str) -> None:
    expected = states(tiny, TEXT)
    shape = expected.shape if pool == "none" else (expected.shape[1],)
    for name in ("f.npy", "f.npz", "f.jsonl"):
        path = tmp_path / name
        assert output(env, tiny, "--pool", pool, "--output", str(path), TEXT) == b""
    array = np.load(tmp_path / "f.npy")
    assert (array.dtype, array.shape) == (np.float32, shape)
    with np.load(tmp_path / "f.npz") as archive:
        assert archive.files == ["features"]
        assert np.array_equal(archive["features"], array)
    record = json.loads((tmp_path / "f.jsonl").read_text())
    assert np.array_equal(np.array(record["features"], np.float32), array)
    assert record["tokens"] == {"text": len(expected)}
    assert record == json.loads(output(env, tiny, "--pool", pool, "--json", TEXT))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "f.jsonl", "f.npy", "f.npz",
    ]  # fmt: skip


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_a_matrix_of_texts(env: dict[str, str], tiny: Path, tmp_path: Path, parallel: str) -> None:
    texts = ["One", " ", "Two and three", TEXT, "é"] * 3
    stdin = "".join(f"{text}\n" for text in texts).encode()
    path = tmp_path / "matrix.npy"
    options = ("--lines", "--pool", "mean", "--parallel", parallel)
    output(env, tiny, *options, "-o", str(path), stdin=stdin)
    matrix = np.load(path)
    assert matrix.shape == (len(texts), 64)
    single = states(tiny, TEXT).mean(axis=0)
    np.testing.assert_allclose(matrix[3], single, rtol=1e-3, atol=2e-3)
    rows = np.loadtxt(io.BytesIO(output(env, tiny, *options, stdin=stdin)), dtype=np.float32)
    assert np.array_equal(rows, matrix)
    records = [
        json.loads(line) for line in output(env, tiny, *options, "--json", stdin=stdin).splitlines()
    ]
    assert [record["line"] for record in records] == list(range(1, len(texts) + 1))
    assert np.array_equal(np.array([record["features"] for record in records], "f4"), matrix)


def test_texts_of_several_lengths(env: dict[str, str], tiny_gpt2: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    output(env, tiny_gpt2, "--lines", "-o", str(path), stdin=b"One\nTwo and three\n")
    with np.load(path) as archive:
        assert archive.files == ["line_1", "line_2"]
        assert [archive[name].shape for name in archive.files] == [(1, 64), (3, 64)]
    text = output(env, tiny_gpt2, "--lines", stdin=b"One\nTwo and three\n").decode()
    assert [part.count("\n") for part in text.split("\n\n")] == [0, 2, 0]


@pytest.mark.parametrize("layer", [0, 1])
def test_the_states_of_a_layer(env: dict[str, str], tiny: Path, layer: int) -> None:
    with Model(tiny) as model:
        expected = look_inside(model, model.tokenize(TEXT)).hidden_states[layer]
    chosen = ("--layer", str(layer))
    record = json.loads(output(env, tiny, *chosen, "--json", TEXT))
    assert record["layer"] == layer
    assert np.array_equal(np.array(record["features"], np.float32), expected)
    lines = f"One\n{TEXT}\nTwo and three\n".encode()
    options = (*chosen, "--lines", "--pool", "last")
    rows = output(env, tiny, *options, stdin=lines)
    assert np.array_equal(np.loadtxt(io.BytesIO(rows), dtype=np.float32)[1], expected[-1])
    assert rows == output(env, tiny, *options, "--workers", "2", stdin=lines)
    together = output(env, tiny, *options, "--parallel", "3", stdin=lines)
    np.testing.assert_allclose(
        np.loadtxt(io.BytesIO(together)), np.loadtxt(io.BytesIO(rows)), atol=2e-3, rtol=1e-3
    )


def test_the_last_layer_is_the_one_without_the_option(env: dict[str, str], tiny: Path) -> None:
    assert output(env, tiny, "--layer", "2", TEXT) == output(env, tiny, TEXT)
    assert json.loads(output(env, tiny, "--json", TEXT))["layer"] == 2


def test_no_lines(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    for name in ("none.npy", "none.npz", "none.jsonl"):
        output(env, tiny, "--lines", "--pool", "last", "-o", str(tmp_path / name))
    assert len(np.load(tmp_path / "none.npy")) == 0
    assert (tmp_path / "none.jsonl").read_text() == ""


def test_a_text_over_the_window(env: dict[str, str], tiny: Path) -> None:
    text = "word " * 300
    result = run("features", "-m", str(tiny), text, env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert b"tokens, and the context window 128." in result.stderr
    split = output(env, tiny, "--overflow", "split", text)
    assert split.count(b"\n") == 301  # the last space is a token
    for overflow, stride in (("split", 128), ("overlap", 64)):
        record = json.loads(output(env, tiny, "--overflow", overflow, "--json", text))
        assert len(record["features"]) == 301
        assert (record["window"], record["stride"]) == (128, stride)


def test_lines_that_fail_leave_the_others(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    stdin = b"one\n" + b"word " * 300 + b"\nbad \xff\nfour\n"
    arguments = ("features", "-m", str(tiny), "--lines", "--parallel", "2", "-o", str(path))
    result = run(*arguments, env=env, stdin=stdin)
    assert result.returncode == ExitStatus.FAILED
    errors = result.stderr.decode().splitlines()
    assert errors[0].startswith("Error: Line 2: The text has 301 tokens")
    assert errors[1].startswith("Error: Line 3 is not UTF-8 text")
    assert errors[2].startswith("Error: 2 of 4 lines were skipped.")
    with np.load(path) as archive:
        assert archive.files == ["line_1", "line_4"]


def test_a_file_is_not_replaced_by_itself(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    path.write_bytes(b"mine")
    result = run("features", "-m", str(tiny), "-o", str(path), "a", env=env)
    assert result.returncode == ExitStatus.FAILED
    assert b"--force" in result.stderr
    assert path.read_bytes() == b"mine"
    output(env, tiny, "--force", "-o", str(path), "a")
    assert np.load(path).shape == (1, 64)


def test_a_file_appears_when_it_is_whole(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    arguments = ("features", "-m", str(tiny), "--lines", "--pool", "last", "-o", str(path))
    with started(*arguments, env=env, stdin=b"Hello there\n" * 5_000) as process:
        while not list(tmp_path.glob(".distil-*/f.npy")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == ExitStatus.INTERRUPTED
    assert [each.name for each in tmp_path.iterdir() if each.name != "home"] == []


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--output", "f.txt", "a"), 2, "f.txt must end in .npy, .npz or .jsonl."),
        (
            ("--lines", "--output", "f.npy"),
            2,
            "Texts of different lengths don't fit into one .npy array.",
        ),
        (("--json", "--output", "f.npy", "a"), 2, "--json and --output can't be combined."),
        (("--parallel", "2", "a"), 2, "--parallel is for several texts."),
        (("--layer", "3", "a"), 2, "--layer can't be 3. Use a number from 0 to 2."),
        (("--layer", "-1", "a"), 2, "--layer can't be -1. Use a number from 0 to 2."),
        (("--output", "/dev/null/f.npy", "a"), 1, "/dev/null is not a folder."),
        (("--output", "/proc/f.npy", "a"), 1, "can't be written"),
    ],
)
def test_what_can_t_be(
    env: dict[str, str], tiny: Path, options: tuple[str, ...], status: int, message: str
) -> None:
    result = run("features", "-m", str(tiny), *options, env=env)
    assert (result.returncode, result.stdout) == (status, b"")
    assert message in result.stderr.decode()
