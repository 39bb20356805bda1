"""``distil perplexity``: one model's figures, several models compared, and a plot."""

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support import gguf
from tests.support.missing import without_package
from tests.support.processes import wait_until
from tests.support.run import TIMEOUT, run, started, terminal

TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals.\n" * 12


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    return path


def output(env: dict[str, str], *options: str | Path, stdin: bytes = b"") -> str:
    result = run("perplexity", "--quiet", *map(str, options), env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def records(env: dict[str, str], *options: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
    made = output(env, "--json", *options, stdin=stdin)
    return [json.loads(line) for line in made.splitlines()]


def test_one_model(env: dict[str, str], tiny: Path, book: Path) -> None:
    lines = output(env, "-m", tiny, book).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "tokens", "perplexity", "bits per byte", "tokens/s",
    ]  # fmt: skip
    (found,) = records(env, "-m", tiny, book)
    assert found["tokens"]["scored"] == int(lines[0].split()[-1])
    assert found["perplexity"] == pytest.approx(math.exp(-found["mean_logprob"]))
    assert found["divergence"] is None
    assert found["difference_to_best"] == 0
    assert found["size"] == tiny.stat().st_size
    # All bytes of the file, the last line end too, but the first token's.
    bits = -found["mean_logprob"] * found["tokens"]["scored"] / math.log(2)
    assert found["bits_per_byte"] == pytest.approx(bits / (len(TEXT) - len("It")))
    (piped,) = records(env, "-m", tiny, "-", stdin=TEXT.encode())
    assert piped["mean_logprob"] == found["mean_logprob"]


def test_a_trained_model_is_less_surprised(env: dict[str, str], trained: Path, book: Path) -> None:
    book.write_text(TEXT[:240])
    (found,) = records(env, "-m", trained, "--window", "64", book)
    assert 1 < found["perplexity"] < 10


def test_files_are_documents(env: dict[str, str], tiny: Path, book: Path) -> None:
    (one,) = records(env, "-m", tiny, book)
    (two,) = records(env, "-m", tiny, book, book)
    assert two["tokens"]["scored"] == 2 * one["tokens"]["scored"]
    assert two["mean_logprob"] == pytest.approx(one["mean_logprob"])
    assert two["standard_error"] < one["standard_error"]


def test_windows_and_strides(env: dict[str, str], tiny: Path, book: Path) -> None:
    (overlapping,) = records(env, "-m", tiny, "--window", "64", "--stride", "16", book)
    (apart,) = records(env, "-m", tiny, "--window", "64", "--stride", "64", book)
    assert overlapping["tokens"]["scored"] > apart["tokens"]["scored"]
    assert overlapping["tokens"]["evaluated"] > 2 * apart["tokens"]["evaluated"]
    (theirs,) = records(env, "-m", tiny, "--window", "64", "--method", "llama.cpp", book)
    assert theirs["tokens"]["scored"] % 31 == 0


def test_several_models(env: dict[str, str], files: list[Path], book: Path) -> None:
    whole, middle, small = files
    models = ("-m", small, "-m", whole, "-m", middle)
    found = {Path(each["model"]["path"]).name: each for each in records(env, *models, book)}
    assert list(found) == [small.name, whole.name, middle.name]
    assert found[whole.name]["divergence"] is None
    assert 0 < found[middle.name]["divergence"] < found[small.name]["divergence"]
    agreement = [found[file.name]["top_agreement"] for file in (small, middle)]
    assert 0 < agreement[0] <= agreement[1] <= 1
    assert min(each["difference_to_best"] for each in found.values()) == 0
    (alone,) = records(env, "-m", small, book)
    assert found[small.name]["mean_logprob"] == alone["mean_logprob"]
    lines = output(env, *models, book).splitlines()
    assert lines[0].split()[:3] == ["MODEL", "SIZE", "PERPLEXITY"]
    assert [line.split()[0] for line in lines[1:]] == list(found)


@pytest.fixture(scope="module")
def files(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same model in 32-bit floats, the largest file, and quantized."""
    folder, shape = tmp_path_factory.mktemp("models"), gguf.Shape(tokens=5001)
    made = [
        gguf.write(folder / f"{kind}.gguf", shape, quantization=kind) for kind in ("Q8_0", "Q4_0")
    ]
    return [tiny, *made]


def named(files: list[Path]) -> list[str]:
    return [f"--model={file}" for file in files]


def test_a_comparison(env: dict[str, str], files: list[Path], book: Path) -> None:
    options = (*named(files), "--window", "64")
    base, fine, coarse = records(env, *options, "--compare", book)
    assert base["comparison"] is None
    for found in (fine, coarse):
        comparison = found["comparison"]
        assert comparison["reference"] == base["model"]["name"]
        assert comparison["tokens"] == found["tokens"]["scored"]
        assert comparison["reference_perplexity"] == {
            "value": pytest.approx(base["perplexity"], rel=1e-12),
            "standard_error": pytest.approx(base["standard_error"], rel=1e-12),
        }
        ratio = found["perplexity"] / base["perplexity"]
        assert comparison["ratio"]["value"] == pytest.approx(ratio)
        assert comparison["log_ratio"]["value"] == pytest.approx(math.log(ratio))
        assert comparison["difference"]["value"] == pytest.approx(
            found["perplexity"] - base["perplexity"]
        )
        assert comparison["divergence"]["mean"]["value"] == found["divergence"]
        assert comparison["same_top"]["value"] == found["top_agreement"]
        for name in ("divergence", "delta_p"):
            values = [value for value in comparison[name].values() if isinstance(value, float)]
            assert len(values) == 13
            assert values == sorted(values, reverse=True)
    assert fine["comparison"]["divergence"]["p99"] < coarse["comparison"]["divergence"]["median"]
    changes = [each["comparison"]["delta_p"]["rms"]["value"] for each in (fine, coarse)]
    assert changes[0] < changes[1]
    plain = records(env, *options, book)
    assert [each["comparison"] for each in plain] == [None] * 3
    assert [each["divergence"] for each in plain] == [
        None,
        fine["divergence"],
        coarse["divergence"],
    ]


def test_how_a_comparison_is_written(env: dict[str, str], files: list[Path], book: Path) -> None:
    options: list[str | Path] = [*named(files), "--compare", book]
    lines = output(env, *options).splitlines()
    assert lines[0].split()[0] == "MODEL"
    assert lines.index("Q8_0.gguf compared with " + files[0].name) < lines.index(
        "Q4_0.gguf compared with " + files[0].name
    )
    for label in ("reference perplexity", "log ratio", "same top", "mean", "99.9%", "minimum"):
        assert sum(line.startswith(label + " ") for line in lines) == 2
    header, *rows = output(env, *options, "--csv").splitlines()
    assert len({len(row.split(",")) for row in (header, *rows)}) == 1
    (_, fine, _), names = (row.split(",") for row in rows), header.split(",")
    cells = dict(zip(names, fine, strict=True))
    (_, record, _) = records(env, *options)
    comparison = record["comparison"]
    assert float(cells["divergence_p99_9"]) == comparison["divergence"]["p99_9"]
    assert (
        float(cells["delta_p_rms_standard_error"]) == comparison["delta_p"]["rms"]["standard_error"]
    )
    assert float(cells["ratio"]) == comparison["ratio"]["value"]
    assert (cells["window"], cells["stride"], cells["method"]) == ("128", "64", '"sliding"')
    assert dict(zip(names, rows[0].split(","), strict=True))["ratio"] == ""


def test_a_comparison_by_several_processes(
    env: dict[str, str], files: list[Path], book: Path, tmp_path: Path
) -> None:
    texts = [tmp_path / name for name in "abc"]
    for number, text in enumerate(texts, 1):
        text.write_text(TEXT[: 300 * number])
    options: list[str | Path] = [*named(files[:2]), "--compare", *texts, book]
    alone, shared = (records(env, *options, "--workers", count) for count in "12")
    for each in (*alone, *shared):
        each.pop("timings")
    assert alone == shared


def test_what_says_how_texts_were_cut(env: dict[str, str], tiny: Path, book: Path) -> None:
    for options, cut in (
        ((), (128, 64, "sliding")),
        (("--window", "50", "--stride", "7"), (50, 7, "sliding")),
        (("--window", "33"), (33, 16, "sliding")),
        (("--window", "64", "--method", "llama.cpp"), (64, 64, "llama.cpp")),
    ):
        (found,) = records(env, "-m", tiny, *options, book)
        assert (found["window"], found["stride"], found["method"]) == cut


def test_nothing_is_left_of_a_comparison(
    env: dict[str, str], files: list[Path], book: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    options: list[str | Path] = [*named(files), "--compare", book]
    output({**env, "TMPDIR": str(folder)}, *options)
    assert list(folder.iterdir()) == []
    result = run(*("perplexity", "--quiet", "-m", str(files[0]), "--compare", str(book)), env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert b"--compare needs a model to compare with." in result.stderr


def test_nothing_is_left_of_an_interrupted_comparison(
    env: dict[str, str], files: list[Path], book: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    book.write_text(TEXT * 4)
    arguments = ("perplexity", *named(files), "--compare", "--threads", "1", str(book))
    with started(*arguments, env={**env, "TMPDIR": str(folder)}) as process:
        wait_until(lambda: any(path.stat().st_size for path in folder.glob("distil-*/0")))
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, printed) == (ExitStatus.INTERRUPTED, b"")
    assert list(folder.iterdir()) == []


def test_panels_of_a_comparison(
    env: dict[str, str], files: list[Path], book: Path, tmp_path: Path
) -> None:
    path = tmp_path / "plot.svg"
    options: list[str | Path] = [*named(files), "--compare", "--plot", path, book]
    output(env, *options)
    drawn = path.read_text()
    assert [label for label in LABELS if f"<!-- {label} -->" not in drawn] == []
    assert all(drawn.count(f"<!-- {file.stem} -->") == 1 for file in files)
    assert "mathdefault" not in drawn
    colours = ("#1f77b4", "#ff7f0e", "#2ca02c")
    reference, *others = (drawn.count(f'style="fill: {colour}') for colour in colours)
    assert min(others) > reference > 0  # which is in the first panel only


LABELS = (
    "perplexity", "perplexity ratio to the reference", "mean divergence in nats",
    "99% divergence in nats", "RMS of delta p in %", "same top in %",
)  # fmt: skip


def test_models_with_other_vocabularies(
    env: dict[str, str], tiny: Path, trained: Path, book: Path
) -> None:
    book.write_text(TEXT[:160])
    arguments = ("perplexity", "-m", str(tiny), "-m", str(trained), "--window", "64")
    result = run(*arguments, "--json", "--compare", str(book), env=env)
    both = [json.loads(line) for line in result.stdout.splitlines()]
    assert b"have different vocabularies, so they are not compared" in result.stderr
    assert [each["divergence"] for each in both] == [None, None]
    assert [each["comparison"] for each in both] == [None, None]
    assert both[0]["tokens"] != both[1]["tokens"]


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_plot(
    env: dict[str, str], tiny: Path, files: list[Path], book: Path, tmp_path: Path, ending: str
) -> None:
    small = files[-1]
    path = tmp_path / f"plot.{ending}"
    output(env, "-m", small, "-m", tiny, "--plot", path, book)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    if ending == "png":
        return
    assert b"<!-- Q4_0 -->" in content
    result = run("perplexity", "-m", str(tiny), "--plot", str(path), str(book), env=env)
    assert (result.returncode, path.read_bytes()) == (ExitStatus.FAILED, content)
    assert b"--force" in result.stderr
    output(env, "-m", small, "--plot", path, "--force", book)
    assert path.read_bytes() != content


def test_what_the_list_of_fonts_says_is_not_shown(
    env: dict[str, str], tiny: Path, book: Path, tmp_path: Path
) -> None:
    """As where fontconfig can't write its cache: its program says so, and lists the fonts."""
    program = tmp_path / "fc-list"
    program.write_text("#!/bin/sh\necho write cache: No such file or directory >&2\n")
    program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), env["PATH"]])
    plot = tmp_path / "plot.svg"
    arguments = ("perplexity", "-m", str(tiny), "--quiet", "--plot", str(plot), str(book))
    result = run(*arguments, env={**env, "PATH": path})
    assert (result.returncode, result.stderr) == (0, b"")
    assert plot.exists()


def test_a_plot_without_matplotlib(
    env: dict[str, str], tiny: Path, book: Path, tmp_path: Path
) -> None:
    """As where the extra is not installed: Python finds no such package."""
    arguments = ("perplexity", "-m", str(tiny), "--plot", str(tmp_path / "p.svg"), str(book))
    result = run(*arguments, env=without_package(env, tmp_path, "matplotlib"))
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert b"-m pip install 'matplotlib<4" in result.stderr


def test_a_bar_with_a_running_figure(env: dict[str, str], tiny: Path, book: Path) -> None:
    arguments = ("perplexity", "-m", str(tiny), str(book))
    with terminal(*arguments, env=env, columns=160) as screen:
        assert screen.wait() == 0
    assert b"perplexity " in screen.output.partition(b"tokens  ")[0]
    result = run(*arguments, env=env)
    assert result.stderr.splitlines()[0].startswith(b"Scoring with tiny.gguf (")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--window", "200"), 2, "A context of 200 tokens does not fit this model."),
        (("--window", "0"), 2, "A context of 0 tokens"),
        (("--stride", "0"), 2, "--stride can't be 0."),
        (("--stride", "129"), 2, "--stride can't be 129. Use a number from 1 to 128."),
        (("--stride", "4", "--method", "llama.cpp"), 2, "--stride is for overlapping windows."),
        (("--plot", "p.jpg"), 2, "p.jpg must end in .svg, .pdf or .png."),
        (("-m", "demo", "-"), 2, "Standard input can only be read once."),
        (("-", "-"), 2, "Standard input can only be read once."),
        (("nowhere.txt",), 1, "Can't read nowhere.txt: No such file"),
    ],
)
def test_what_can_t_be(
    env: dict[str, str],
    tiny: Path,
    book: Path,
    options: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    result = run("perplexity", "--quiet", "-m", str(tiny), str(book), *options, env=env)
    assert (result.returncode, result.stdout) == (status, b"")
    assert message in result.stderr.decode()


@pytest.mark.parametrize("content", [b"", b"H", b"caf\xe9 au lait"])
def test_texts_that_can_t_be_scored(
    env: dict[str, str], tiny: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "short.txt"
    path.write_bytes(content)
    result = run("perplexity", "--quiet", "-m", str(tiny), str(path), env=env)
    assert result.stdout == b""
    if content.isascii():
        assert result.returncode == ExitStatus.USAGE
        assert b"The text is too short" in result.stderr
    else:
        assert result.returncode == ExitStatus.FAILED
        assert b"short.txt is not UTF-8 text: the byte at offset 3" in result.stderr
