"""``distil score --words``: a row for each word, from texts, lines and tables."""

import csv
import io
import json
import math
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from distilgpt2_cli.errors import ExitStatus
from tests.support.extent import ALL_CASES
from tests.support.forked import Run, run_all
from tests.support.quick_model import env as env
from tests.support.run import TIMEOUT, run, started, terminal

WORDS = ("score", "--words", "--threads", "1")
TEXT = "Lily's naïve frog didn't jump, it said."
STORY = "Once upon a time, there was a little frog named Tim. He liked to jump\nand play.\n\n"
FIGURES = ("logprob", "surprisal", "rank", "entropy", "context", "tokens")


def output(env: dict[str, str], *options: str, stdin: str = "") -> str:
    result = run(*WORDS, *options, env=env, stdin=stdin.encode())
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_words_are_made_of_the_tokens(env: dict[str, str]) -> None:
    env = {**env, "DISTIL_MODEL": "demo"}  # one that has learnt where words end
    made = run("score", "--threads", "1", "--json", TEXT, env=env).stdout
    whole = json.loads(made)
    words = records(output(env, "--json", "--plain-sum", TEXT))
    assert [word["text"] for word in words] == TEXT.split()
    assert [TEXT[word["start"] : word["end"]] for word in words] == TEXT.split()
    assert [word["position"] for word in words] == list(range(len(words)))
    assert sum(word["tokens"] for word in words) == len(whole["scores"])
    tokens = iter(whole["scores"])
    for word in words:
        own = [next(tokens) for _ in range(word["tokens"])]
        # The place after the text is evaluated too, which changes the last bits.
        assert word["logprob"] == pytest.approx(sum(each["logprob"] for each in own), abs=0.02)
        assert word["surprisal"] == pytest.approx(-word["logprob"] / math.log(2))
        assert (word["rank"], word["context"]) == (own[0]["rank"], own[0]["context"])
        assert word["entropy"] == pytest.approx(own[0]["entropy"], abs=0.02)
    ended = records(output(env, "--json", TEXT))
    pairs = zip(ended, words, strict=True)
    differences = [one["logprob"] - other["logprob"] for one, other in pairs]
    assert min(map(abs, differences)) > 0
    # What an end adds to a word is taken from the next one: over all, only the last one counts.
    assert -5 < sum(differences) < 0
    nats = records(output(env, "--json", "--unit", "nats", TEXT))
    assert [-word["logprob"] for word in nats] == [word["surprisal"] for word in nats]
    assert [word["entropy"] for word in nats] == pytest.approx(
        [word["entropy"] * math.log(2) for word in ended]
    )


def test_words_before_are_columns(env: dict[str, str]) -> None:
    lines = "The frog jumped high.\nIt sang.\n"
    found = records(output(env, "--json", "--lines", "--spillover", "2", stdin=lines))
    assert [word["line"] for word in found] == [1, 1, 1, 1, 2, 2]
    for line in (1, 2):
        words = [word for word in found if word["line"] == line]
        for distance in (1, 2):
            for name in ("surprisal", "entropy"):
                before = [None] * distance + [word[name] for word in words]
                assert [word[f"{name}_prev{distance}"] for word in words] == before[: len(words)]


def test_every_format_has_the_same_rows(env: dict[str, str], tmp_path: Path) -> None:
    lines = 'She said "hi, you"; 1984\tNA null\n4 x\n'
    options = ("--lines", "--spillover", "1")
    expected = records(output(env, *options, "--json", stdin=lines))
    assert [each["text"] for each in expected] == lines.split()
    texts = {
        ",": output(env, *options, "--csv", stdin=lines),
        "\t": output(env, *options, stdin=lines),
    }
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        path = tmp_path / f"words.{ending}"
        assert output(env, *options, "--output", str(path), stdin=lines) == ""
    assert [path.name for path in tmp_path.iterdir() if "part" in path.suffix] == []
    assert (tmp_path / "words.csv").read_text() == texts[","]
    assert (tmp_path / "words.tsv").read_text() == texts["\t"]
    assert records((tmp_path / "words.jsonl").read_text()) == expected
    for separator, text in texts.items():
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        for row, record in zip(rows, expected, strict=True):
            assert row.pop("text") == record["text"]
            numbers = {name: json.loads(value) if value else None for name, value in row.items()}
            assert numbers == {name: record[name] for name in row}
    table = parquet.read_table(tmp_path / "words.parquet")
    assert table.to_pylist() == expected
    assert str(table.schema.field("rank").type) == "int64"
    assert str(table.schema.field("surprisal_prev1").type) == "double"
    about = json.loads(table.schema.metadata[b"distil"])
    assert about["model"]["name"] == "tiny.gguf"
    assert about["window"] is None


def test_the_texts_of_a_table(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        '\ufeffitem,cond,sentence,weight\r\n1,a,"The frog sat, happily.",1.50\r\n'
        '02,b,"Two ""quoted"" words\r\nand a line",\r\n3,c,"  ",7\r\n',
        newline="",
    )
    result = run(*WORDS, "--column", "sentence", "--file", str(path), "--json", env=env)
    assert result.returncode == ExitStatus.DONE
    assert result.stderr == b"1 rows without a text were skipped.\n"
    found = records(result.stdout.decode())
    texts = ["The frog sat, happily.", 'Two "quoted" words\r\nand a line']
    assert [each["text"] for each in found] == " ".join(texts).split()
    kept = {(each["row"], each["item"], each["cond"], each["weight"]) for each in found}
    assert kept == {(1, 1, "a", 1.5), (2, "02", "b", None)}
    alone = records(output(env, "--json", texts[0]))
    assert [[each[name] for name in FIGURES] for each in alone] == [
        [each[name] for name in FIGURES] for each in found[: len(alone)]
    ]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_a_table_with_a_row_for_each_word(env: dict[str, str], separator: str) -> None:
    rows = [
        ("item", "list", "word", "RT"),
        ("1", "A", "The", "301"),
        ("1", "A", "frog", "250.5"),
        ("1", "A", "", ""),
        ("1", "A", "jumped.", "200"),
        ("1", "B", "1984", "99"),
        ("2", "B", "Null", "1"),
    ]
    table = "".join(f"{separator.join(row)}\n" for row in rows)
    options = ("--column", "word", "--by", "item,list", "--json")
    found = records(output(env, *options, stdin=table))
    assert [each["word"] for each in found] == [row[2] for row in rows[1:]]
    assert [each["row"] for each in found] == [1, 2, 3, 4, 5, 6]
    assert [each["RT"] for each in found] == [301, 250.5, None, 200, 99, 1]
    assert [each["position"] for each in found] == [0, 1, 2, 3, 0, 0]
    assert found[2]["surprisal"] is None
    sentence = records(output(env, "--json", "The frog jumped."))
    whole = [each for each in found[:4] if each["word"]]
    assert [[each[name] for name in FIGURES] for each in whole] == [
        [each[name] for name in FIGURES] for each in sentence
    ]
    # Spaces and punctuation as the file has them.
    pieces = "word,x\nThe,a\n frog,a\n jumped,a\n.,a\n"
    exact = records(
        output(env, "--column", "word", "--by", "x", "--joiner", "", "--json", stdin=pieces)
    )
    assert sum(each["tokens"] for each in exact) == sum(each["tokens"] for each in sentence)
    assert exact[1]["surprisal"] == sentence[1]["surprisal"]
    assert [each["text"] for each in exact] == ["The", "frog", "jumped", "."]


def test_regions(env: dict[str, str]) -> None:
    text = "The old man | the boat, | she said."
    found = records(output(env, "--regions", "|", "--json", text))
    plain = records(output(env, "--json", text.replace(" | ", " ")))
    assert [each["region"] for each in found] == [1, 1, 1, 2, 2, 3, 3]
    assert [[each[name] for name in FIGURES] for each in found] == [
        [each[name] for name in FIGURES] for each in plain
    ]
    for each in found:
        own = [other["surprisal"] for other in found if other["region"] == each["region"]]
        assert each["region_surprisal"] == pytest.approx(sum(own))
    cut = records(output(env, "--regions", "/", "--json", "un/believ/able frogs"))
    assert [(each["text"], each["region"]) for each in cut] == [
        ("un", 1), ("believ", 2), ("able", 3), ("frogs", 3),
    ]  # fmt: skip
    joined = records(output(env, "--json", "unbelievable frogs"))
    total = sum(each["logprob"] or 0 for each in cut)
    assert total == pytest.approx(sum(each["logprob"] for each in joined))
    table = "id,text\n7,The | frog\n"
    (_, last) = records(output(env, "--column", "text", "--regions", "|", "--json", stdin=table))
    assert (last["id"], last["region"], last["text"]) == (7, 2, "frog")


def test_figures_do_not_depend_on_workers(env: dict[str, str]) -> None:
    lines = "".join(f"The frog has number {count}.\n" for count in range(300))
    options = ("--lines", "--csv", "--parallel", "4")
    one, two = (output(env, *options, "--workers", count, stdin=lines) for count in ("1", "2"))
    assert one == two


def test_a_document_is_cut_into_windows_that_are_stated(env: dict[str, str]) -> None:
    text = STORY * 20
    windows = ("--window", "64", "--stride", "16")
    found = records(output(env, *windows, "--json", stdin=text))
    assert [each["text"] for each in found] == text.split()
    assert [text[each["start"] : each["end"]] for each in found] == text.split()
    contexts = [each["context"] for each in found]
    assert max(contexts) == 63
    assert min(contexts[64:]) == 48
    line = " ".join(text.split())
    by_line = records(output(env, *windows, "--lines", "--json", stdin=line))
    document = records(output(env, *windows, "--json", stdin=line))
    assert [{**each, "line": 1} for each in document] == by_line


def test_names_of_columns_are_quoted_where_they_have_to_be(env: dict[str, str]) -> None:
    table = 'text,"item, list",b\nA word,7,8\n'
    header, row = csv.reader(output(env, "--column", "text", "--csv", stdin=table).splitlines()[:2])
    assert dict(zip(header, row, strict=True))["item, list"] == "7"


# More deaths of one run, of more text, are to meet other moments of its work.
DEATHS = 3 if ALL_CASES else 1


@pytest.mark.parametrize("parallel", ["document", "1", "3"])
def test_a_killed_run_goes_on(env: dict[str, str], tmp_path: Path, parallel: str) -> None:
    path, whole = tmp_path / "words.csv", tmp_path / "whole.csv"
    story = tmp_path / "story.txt"
    lines = "".join(f"{STORY.strip().splitlines()[0]} {count}\n" for count in range(70 * DEATHS))
    options = ["--file", str(story), "--window", "128", "--spillover", "1", "--workers", "1"]
    if parallel == "document":
        lines = STORY * 70 * DEATHS
    else:
        options += ["--lines", "--parallel", parallel]
    story.write_text(lines)
    run(*WORDS, *options, "--output", str(whole), env=env)
    part = tmp_path / "words.csv.part"
    arguments = (*WORDS, *options, "--output", str(path))
    for death in range(DEATHS):
        resume = ("--resume",) * bool(death)
        size = part.stat().st_size if part.exists() else 0
        with started(*arguments, *resume, env=env) as process:
            while not (part.exists() and part.stat().st_size > size + 20_000):
                assert process.poll() is None
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            assert process.wait(TIMEOUT) == -signal.SIGKILL  # not at its end
        assert not path.exists()
        with part.open("ab") as file:
            file.write(b'{"done": {"torn')
    assert run(*arguments, "--resume", env=env).returncode == ExitStatus.DONE
    assert path.read_bytes() == whole.read_bytes()
    assert not part.exists()


def test_a_part_is_not_mixed_with_something_else(env: dict[str, str], tmp_path: Path) -> None:
    story, path = tmp_path / "story.txt", tmp_path / "words.csv"
    story.write_text(STORY * 70)
    options = (*WORDS, "--file", str(story), "--output", str(path))
    with started(*options, env=env) as process:
        part = tmp_path / "words.csv.part"
        while not (part.exists() and part.stat().st_size > 20_000):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert f"The rows so far are in {part}: go on with --resume.".encode() in errors
    kept = part.read_bytes()
    others = [["--unit", "nats"], ["--plain-sum"], ["--prefix", "Hi"], ["--stride", "9"]]
    again, *refused = run_all(
        [Run(options), *(Run([*options, *other, "--resume"]) for other in others)], env, tmp_path
    )
    resumed = [Run([*options, "--resume"])]
    for foreign in (b"[]\n", b"something else\n"):
        part.write_bytes(kept + foreign)
        refused += run_all(resumed, env, tmp_path)
    part.write_bytes(kept)
    story.write_text(STORY * 71)
    refused += run_all(resumed, env, tmp_path)
    assert again.status == ExitStatus.FAILED
    assert "Go on with it with --resume, or begin anew with --force." in again.errors
    for result in refused:
        assert result.status == ExitStatus.FAILED
        assert "was made with another input, model, version or options" in result.errors
    assert part.read_bytes() == kept
    story.write_text(STORY)
    piped = run(*WORDS, "--output", str(path), "--resume", env=env, stdin=STORY.encode())
    assert piped.returncode == ExitStatus.USAGE
    assert run(*options, "--force", env=env).returncode == ExitStatus.DONE
    assert not part.exists()


@pytest.mark.parametrize(
    ("options", "stdin", "status", "message"),
    [
        (["--column", "nope"], "a,b\n1,2\n", ExitStatus.USAGE, "has no column nope"),
        (["--column", "a"], "", ExitStatus.FAILED, "has no header"),
        (["--column", "a"], "a,a\n1,2\n", ExitStatus.FAILED, "two columns of the same name"),
        (["--column", "a"], 'a,b\n"1,2\n', ExitStatus.FAILED, "is not a table as CSV"),
        (["--column", "a"], "a,b\n1\n2,3\n", ExitStatus.FAILED, "Row 1 has 1 cells"),
        (["--column", "a"], "a,rank\nx,3\n", ExitStatus.USAGE, "has a column rank"),
        (["--column", "a", "x"], "", ExitStatus.USAGE, "reads a table from a file"),
        (["--by", "a"], "", ExitStatus.USAGE, "--by is for the rows of a table"),
        (["--stride", "600"], "x\n", ExitStatus.USAGE, "--stride can't be 600"),
        (["--window", "600"], "x\n", ExitStatus.USAGE, "Use a size from 1 to 128"),
        (["--spillover", "99"], "x\n", ExitStatus.USAGE, "--spillover can't be 99"),
        (["--regions", ""], "x\n", ExitStatus.USAGE, "--regions can't be empty"),
        (["--output", "x.txt"], "x\n", ExitStatus.USAGE, "must end in .csv, .tsv"),
        ([], "", ExitStatus.USAGE, "There is no text to score"),
    ],
)
def test_what_cannot_be_done(
    env: dict[str, str], options: list[str], stdin: str, status: ExitStatus, message: str
) -> None:
    result = run(*WORDS, *options, env=env, stdin=stdin.encode())
    assert message in result.stderr.decode()
    assert result.returncode == status
    assert result.stdout.count(b"\n") <= 20


def test_options_for_words_need_them(env: dict[str, str], tmp_path: Path) -> None:
    options = (["--regions", "|"], ["--plain-sum"], ["--unit", "nats"], ["-o", "x.csv"])
    runs = [Run(["score", "-m", "demo", *each, "x"]) for each in options]
    for result in run_all(runs, env, tmp_path):
        assert result.status == ExitStatus.USAGE
        assert "Use it with --words." in result.errors


def test_on_a_terminal(env: dict[str, str]) -> None:
    with terminal(*WORDS, "The frog \x1b[31mjumped.", env={**env, "NO_COLOR": "1"}) as screen:
        assert screen.wait() == 0
    shown = screen.output.decode()
    lines = shown.splitlines()
    assert lines[0].split() == ["TEXT", "TOKENS", "SURPRISAL", "RANK", "ENTROPY"]
    assert lines[1].startswith('"The"')
    assert "\x1b[31m" not in shown
    assert len(lines) == 4
