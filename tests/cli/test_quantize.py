"""``distil quantize``: names, refusals, the record, the importance matrix, and the comparison."""

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support import gguf
from tests.support.disks import small_disk
from tests.support.gguf_tensors import read
from tests.support.processes import wait_until
from tests.support.run import run, started, terminal

TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals.\n" * 10
CHUNK = 72  # the window of the model: a comparison generates as many tokens as leave room for 64


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rows can have blocks of 256 weights."""
    shape = gguf.Shape(width=256, heads=4, tokens=600, context=CHUNK)
    return gguf.write(tmp_path_factory.mktemp("models") / "mine-f32.gguf", shape)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    return path


def quantized(env: dict[str, str], *arguments: str | Path, stdin: bytes = b"") -> str:
    result = run("quantize", "--quiet", *map(str, arguments), env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def refused(env: dict[str, str], status: int, *arguments: str | Path) -> str:
    result = run("quantize", *map(str, arguments), env=env)
    assert (result.returncode, result.stdout) == (status, b"")
    errors = result.stderr.decode()
    assert errors.count("\n") == 1
    return errors


def test_names_and_paths(env: dict[str, str], wide: Path, tmp_path: Path) -> None:
    """Beside the file by default; a quantization at the end of its name is replaced."""
    source = tmp_path / "mine.F32.gguf"
    source.symlink_to(wide)
    made = quantized(env, source, "-q", "q8_0", "--quant", "F16", "-q", "Q8_0").splitlines()
    assert made == [f"{tmp_path}/mine.{name}.gguf" for name in ("Q8_0", "F16")]
    (elsewhere,) = quantized(env, wide, "-q", "Q4_0", "--to", tmp_path / "a" / "b").splitlines()
    assert elsewhere == f"{tmp_path}/a/b/mine.Q4_0.gguf"
    (again,) = quantized(env, made[1], "-q", "Q4_0").splitlines()
    types = {name: tensor.type for name, tensor in read(again)[1].items()}
    assert types["blk.0.ffn_up.weight"] == "Q4_0"
    assert types["output.weight"] == "Q6_K"  # a mix, as llama.cpp makes it
    arguments = (made[1], "-q", "Q4_0", "--pure", "--force")
    assert quantized(env, *arguments) == f"{again}\n"
    assert read(again)[1]["output.weight"].type == "Q4_0"
    record = json.loads(quantized(env, *arguments, "--json"))
    content = Path(again).read_bytes()
    expected = {
        "quantization": "Q4_0", "name": "mine.Q4_0.gguf", "path": again, "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(), "repository": None, "revision": None,
        "pure": True, "imatrix": None, "notices": [],
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert record["source"]["name"] == "mine.F16.gguf"


def test_what_is_refused_before_any_work(env: dict[str, str], wide: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.Q4_0.gguf").write_text("mine")
    to = ("--to", tmp_path)
    errors = refused(env, 1, wide, "-q", "Q8_0", "-q", "Q4_0", *to)
    assert "mine.Q4_0.gguf already exists. Use another name, or overwrite it" in errors
    assert not (tmp_path / "mine.Q8_0.gguf").exists()
    assert "distil quantize needs --quant NAME. Use one of Q2_K, " in refused(env, 2, wide)
    errors = refused(env, 2, wide, "-q", "IQ2_XS")
    assert "--quant can't be IQ2_XS. Use one of Q2_K, " in errors
    errors = refused(env, 2, wide, "-q", "Q8_0", "--plot", tmp_path / "a.svg")
    assert "--plot shows a comparison. Use it with --compare." in errors
    itself = tmp_path / "own.F16.gguf"
    itself.symlink_to(wide)
    assert f"{itself} is FILE itself" in refused(env, 2, itself, "-q", "F16", "--force")
    errors = refused(env, 3, tmp_path / "none.gguf", "-q", "Q8_0")
    assert "No such file or directory. Name the F32 or F16 GGUF file of a model." in errors
    assert "FILE is empty. Name the F32 or F16 GGUF" in refused(env, 2, "", "-q", "Q8_0")
    assert ". is a folder; llama.cpp needs a file." in refused(env, 3, ".", "-q", "Q8_0")
    assert "demo.gguf is already quantized: it has q4_0" in refused(env, 2, "demo", "-q", "Q8_0")
    errors = refused(env, 1, wide, "-q", "Q8_0", "--imatrix", "none.txt", *to)
    assert "Can't read none.txt: No such file or directory." in errors
    assert "can only be read once" in refused(env, 2, wide, "-q", "Q8_0", "--compare", "-", *to)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mine.Q4_0.gguf", itself.name]


def test_damaged_files(env: dict[str, str], wide: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(wide.read_bytes()[:-1000])
    assert "llama.cpp can't quantize" in refused_later(env, 4, cut, "-q", "Q8_0")
    assert list(tmp_path.iterdir()) == [cut]


def refused_later(env: dict[str, str], status: int, *arguments: str | Path) -> str:
    return refused(env, status, *arguments, "--quiet")


def test_an_importance_matrix(env: dict[str, str], wide: Path, book: Path, tmp_path: Path) -> None:
    arguments = (wide, "-q", "Q3_K_S", "--force")
    (plain,) = quantized(env, *arguments, "--to", tmp_path / "plain").splitlines()
    made = quantized(env, *arguments, "--imatrix", book, "--json", "--to", tmp_path / "text")
    piped = quantized(
        env, *arguments, "--imatrix", "-", "--json", "--to", tmp_path / "pipe", stdin=TEXT.encode()
    )
    record, other = (json.loads(each) for each in (made, piped))
    chunks = record["imatrix"]["chunks"]
    assert record["imatrix"] == {
        "name": "book.txt",
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
        "chunks": chunks,
        "entries": 8,
    }
    assert other["imatrix"] == record["imatrix"] | {"name": "-"}
    assert chunks >= 2
    metadata, tensors = read(record["path"])
    found = {key: value for key, value in metadata.items() if key.startswith("quantize.imatrix.")}
    assert found == {
        "quantize.imatrix.file": "book.txt",
        "quantize.imatrix.dataset": "book.txt",
        "quantize.imatrix.entries_count": 8,
        "quantize.imatrix.chunks_count": chunks,
    }
    for path, same in ((other["path"], True), (plain, False)):
        data = read(path)[1]["blk.0.ffn_up.weight"].data
        assert (data == tensors["blk.0.ffn_up.weight"].data).all() == same
    book.write_text("Too short.")
    errors = refused(env, 2, *arguments, "--imatrix", book, "--quiet")
    assert f"has fewer than {2 * CHUNK} tokens. Use a longer text." in errors


def test_a_comparison(env: dict[str, str], wide: Path, book: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    quants = ("-q", "F16", "-q", "Q2_K", "--to", tmp_path, "--threads", "1")
    made = quantized(env, wide, *quants, "--compare", book, "--plot", plot)
    half, small, _, header, *rows, _, quality, speed = made.splitlines()
    assert [Path(each).name for each in (half, small)] == ["mine.F16.gguf", "mine.Q2_K.gguf"]
    assert header.split() == [
        "MODEL", "SIZE", "PERPLEXITY", "RATIO", "DIVERGENCE", "SAME", "TOP", "TOKENS/S",
    ]  # fmt: skip
    names = [row.split()[0] for row in rows]
    assert names == [wide.name, "mine.F16.gguf", "mine.Q2_K.gguf"]
    assert quality.startswith("mine.F16.gguf (")
    assert "is the smallest file without a visible loss" in quality
    assert " on this machine" in speed
    assert all(f"<!-- {name.removesuffix('.gguf')} -->" in plot.read_text() for name in names)
    first, second = compared(env, wide, book, *quants, "--force")
    assert (first["visible_loss"], second["visible_loss"]) == (False, True)
    theirs = compared_by_perplexity(env, [wide, half, small], book)
    for ours, their in zip((first["source"], first, second), theirs, strict=True):
        for name in ("perplexity", "divergence", "top_agreement", "comparison", "size", "window"):
            assert ours[name] == their[name]
        assert ours["timings"]["generation_tokens_per_second"] > 0
    assert first["text"] == {
        "name": "book.txt",
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
    }


def compared(env: dict[str, str], *arguments: str | Path) -> list[dict[str, Any]]:
    path, text, *rest = arguments
    made = quantized(env, path, "--compare", text, "--json", *rest)
    return [json.loads(line) for line in made.splitlines()]


def compared_by_perplexity(
    env: dict[str, str], files: list[str | Path], text: Path
) -> list[dict[str, Any]]:
    models = [f"--model={file}" for file in files]
    options = ("--compare", "--json", "--quiet", "--threads", "1")
    result = run("perplexity", *models, *options, str(text), env=env)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_text_of_the_importance_matrix_compares_too_well(
    env: dict[str, str], wide: Path, book: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_text(TEXT)
    options = ("-q", "Q4_0", "--to", str(tmp_path), "--imatrix", str(book), "--compare", str(copy))
    result = run("quantize", str(wide), *options, env=env)
    assert result.returncode == ExitStatus.DONE
    assert f"{copy} is also the text of --imatrix, so the figures are" in result.stderr.decode()


def test_a_full_disk(env: dict[str, str], wide: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        errors = refused(env, 1, wide, "-q", "Q8_0", "--to", disk, "--quiet")
        assert "mine.Q8_0.gguf can't be written: No space left on device. Free some" in errors
        assert list(disk.iterdir()) == []


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes a while to quantize: 50 MB."""
    shape = gguf.Shape(layers=4, width=1024, heads=4, tokens=600)
    return gguf.write(tmp_path_factory.mktemp("models") / "large.F32.gguf", shape)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(
    env: dict[str, str], large: Path, tmp_path: Path, number: signal.Signals
) -> None:
    to = tmp_path / "new"
    with started("quantize", str(large), "-q", "Q2_K", "--to", str(to), env=env) as process:
        wait_until(lambda: any(path.stat().st_size for path in to.glob(".distil-*/*.gguf")))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        process.wait()
    assert process.returncode == 128 + number
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert list(to.iterdir()) == []


def test_a_bar(env: dict[str, str], large: Path, tmp_path: Path) -> None:
    arguments = ("quantize", str(large), "-q", "Q8_0", "--to", str(tmp_path))
    with terminal(*arguments, env=env, columns=200) as screen:
        assert screen.wait() == ExitStatus.DONE
    assert b"large.F32.gguf to Q8_0" in screen.output
