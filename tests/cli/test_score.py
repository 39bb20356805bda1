"""``distil score``: how likely a text is, token by token."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run, terminal

TEXT = "The cat sat on the mat."


def output(env: dict[str, str], model: Path, *options: str, stdin: bytes = b"") -> str:
    result = run("score", "-m", str(model), *options, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def record(env: dict[str, str], model: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(env, model, "--json", *options))
    return found


def test_a_table_where_there_is_no_terminal(env: dict[str, str], trained: Path) -> None:
    lines = output(env, trained, TEXT).splitlines()
    assert lines[0].split() == ["LOGPROB", "BITS", "TOKEN"]
    assert lines[1].endswith('"The"')
    assert lines[-5].split() == ["tokens", "7"]
    assert lines[-2].startswith("perplexity ")
    assert output(env, trained, stdin=TEXT.encode() + b"\n").splitlines() == lines


def test_json_adds_up(env: dict[str, str], bundled: Path) -> None:
    found = record(env, bundled, TEXT)
    logprobs = [each["logprob"] for each in found["scores"]]
    assert found["tokens"] == {"prefix": 1, "text": len(logprobs)}
    assert "".join(each["text"] for each in found["scores"]) == TEXT
    assert found["logprob"] == pytest.approx(sum(logprobs))
    assert found["mean_logprob"] == pytest.approx(sum(logprobs) / len(logprobs))
    assert found["perplexity"] == pytest.approx(math.exp(-found["mean_logprob"]))
    bits = [each["surprisal"] for each in found["scores"]]
    assert bits == pytest.approx([-each / math.log(2) for each in logprobs])
    assert found["bits_per_byte"] == pytest.approx(sum(bits) / len(TEXT))


def test_continuations_are_compared_after_a_prefix(env: dict[str, str], trained: Path) -> None:
    prefix = ("--prefix", "The capital of France is")
    paris, london = (
        record(env, trained, *prefix, city)["logprob"] for city in (" Paris", " London")
    )
    assert paris > london + 2
    likeliest = json.loads(run("next", "-m", str(trained), "--json", prefix[1], env=env).stdout)[
        "top"
    ][0]
    assert likeliest["text"] == " Paris"
    # One of them with flash attention, the other without: see docs/accuracy.md.
    assert likeliest["logprob"] == pytest.approx(paris, abs=0.05)


def test_the_parts_of_a_text_add_up_to_it(env: dict[str, str], bundled: Path) -> None:
    whole = record(env, bundled, "The cat sat on the mat")["logprob"]
    start = record(env, bundled, "The cat sat")["logprob"]
    rest = record(env, bundled, "--prefix", "The cat sat", " on the mat")
    assert rest["tokens"] == {"prefix": 3, "text": 3}
    # Without the start token before the prefix, so only about.
    assert start + rest["logprob"] == pytest.approx(whole, rel=0.05)


@pytest.mark.parametrize("parallel", ["1", "3"])
def test_lines(env: dict[str, str], bundled: Path, parallel: str) -> None:
    texts = [TEXT, "Mat the on sat cat the.", "Hi", "A longer text about nothing at all, really."]
    stdin = "".join(f"{text}\n" for text in texts).encode()
    options = ("--lines", "--parallel", parallel)
    made = output(env, bundled, *options, "--json", stdin=stdin)
    records = [json.loads(line) for line in made.splitlines()]
    assert [(each["line"], each["text"]) for each in records] == list(enumerate(texts, 1))
    single = record(env, bundled, TEXT)
    close = 1e-9 if parallel == "1" else 0.02
    assert records[0]["logprob"] == pytest.approx(single["logprob"], abs=close)
    rows = [line.split("\t") for line in output(env, bundled, *options, stdin=stdin).splitlines()]
    assert [float(row[0]) for row in rows] == pytest.approx(
        [each["perplexity"] for each in records], rel=1e-4
    )
    assert rows[0][3] == "7"
    assert output(env, bundled, *options, "--json", stdin=stdin) == made


def test_a_line_that_can_t_be_scored_leaves_the_others(env: dict[str, str], tiny: Path) -> None:
    arguments = ("score", "-m", str(tiny), "--lines", "--json", "--parallel", "2")
    result = run(*arguments, env=env, stdin=b"one\n\nbad \xff\nfour\n")
    assert result.returncode == ExitStatus.FAILED
    assert [json.loads(line)["line"] for line in result.stdout.splitlines()] == [1, 4]
    errors = result.stderr.decode().splitlines()
    assert errors[0].startswith("Error: Line 3 is not UTF-8 text")
    assert errors[1] == "1 empty line was skipped."
    assert errors[2].startswith("Error: 1 of 4 lines were skipped.")


def test_a_text_of_several_windows(env: dict[str, str], tiny: Path) -> None:
    found = record(env, tiny, "It was a dark and stormy night. " * 40)
    assert found["tokens"]["text"] > 300
    assert len(found["scores"]) == found["tokens"]["text"]


def test_rows_of_a_long_text_are_those_of_the_whole(env: dict[str, str], bundled: Path) -> None:
    """They come window by window, which changes no bit."""
    windows = ("--window", "32", "--stride", "8", "--prefix", "Hello there.")
    text = f" {TEXT} It sang." * 12
    found = record(env, bundled, *windows, text)
    rows = list(csv.DictReader(io.StringIO(output(env, bundled, *windows, "--csv", text))))
    assert [int(row["position"]) for row in rows] == list(range(len(found["scores"])))
    for name in ("logprob", "surprisal", "rank", "entropy", "context"):
        assert [json.loads(row[name]) for row in rows] == [each[name] for each in found["scores"]]
    assert max(each["context"] for each in found["scores"]) == 31


def test_shades_on_a_terminal(env: dict[str, str], bundled: Path) -> None:
    arguments = ("score", "-m", str(bundled), TEXT + " Xylophones\x1b[2J quantum é")
    with terminal(*arguments, env=env, columns=100) as screen:
        assert screen.wait() == 0
    text = screen.output.decode()
    assert "\x1b[38;5;231;48;5;160m" in text
    assert "\x1b[2J" not in text
    assert "Most surprising:" in text
    assert text.count(" bits  ") == 5
    with terminal(*arguments, env={**env, "NO_COLOR": "1"}, columns=100) as screen:
        assert screen.wait() == 0
    assert b"\x1b" not in screen.output
    assert b"LOGPROB" in screen.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("",), "There is no text to score."),
        (("--parallel", "2", "a"), "--parallel is for several texts."),
        (("--parallel", "0", "a"), "--parallel can't be 0."),
        (("--lines", "--parallel", "300"), "300 sequences can't be evaluated together."),
    ],
)
def test_what_can_t_be(
    env: dict[str, str], tiny: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("score", "-m", str(tiny), *options, env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert result.stderr.decode().startswith(f"Error: {message}")
