"""``distil choose``: items in, accuracies, records and rows out."""

import csv
import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.processes import fed_by_yes, wait_for_work
from tests.support.run import DISTIL, TIMEOUT, run

OWN = {
    "context": "Tom saw a",
    "choices": ["dog.", "sky of dogs"],
    "gold": 0,
    "id": "é1",
    "set": "a",
}
BLANK = {
    "sentence": "Tom gave a ball to Sue because _ wanted to play with it.",
    "option1": "Tom",
    "option2": "Sue",
    "answer": "2",
    "set": "b",
}
PAIR = {"sentence_good": "The cats run.", "sentence_bad": "The cats runs.", "set": "b"}
UNKNOWN = {"context": "", "choices": ["One", "Two", "Three"], "set": None}
ITEMS = (OWN, BLANK, PAIR, UNKNOWN)


def lines_of(*items: object) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def output(env: dict[str, str], *options: str | Path, stdin: bytes) -> str:
    result = run("choose", "--quiet", *map(str, options), env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def records(env: dict[str, str], *options: str | Path, stdin: bytes) -> list[dict[str, Any]]:
    made = output(env, "--json", *options, stdin=stdin)
    return [json.loads(line) for line in made.splitlines()]


def test_records(env: dict[str, str], tiny: Path) -> None:
    *found, summary = records(env, "-m", tiny, "--by", "set", stdin=lines_of(*ITEMS))
    assert [each["line"] for each in found] == [1, 2, 3, 4]
    assert [each["kind"] for each in found] == ["choices", "blank", "pair", "choices"]
    assert [each["gold"] for each in found] == [0, 1, 0, None]
    assert (found[0]["id"], found[0]["context"]) == ("é1", "Tom saw a")
    assert [each["text"] for each in found[0]["choices"]] == ["dog.", "sky of dogs"]
    assert [each["is_gold"] for each in found[1]["choices"]] == [False, True]
    rules = {"logprob", "per_token", "per_byte"}
    for each, more in zip(
        found, ({"hellaswag"}, {"winogrande"}, set(), {"hellaswag"}), strict=True
    ):
        assert each["chosen"].keys() == each["correct"].keys() == rules | more
        for rule, chosen in each["chosen"].items():
            values = [choice[rule] for choice in each["choices"]]
            assert values[chosen] == max(values)
            known = each["gold"] is not None
            assert each["correct"][rule] == ((chosen == each["gold"]) if known else None)
        for choice in each["choices"]:
            assert choice["per_token"] == pytest.approx(choice["logprob"] / choice["tokens"])
            assert choice["per_byte"] == pytest.approx(choice["logprob"] / choice["bytes"])
            assert choice["surprisal"] == pytest.approx(-choice["logprob"] / 0.6931471805599453)
    counts = {(row["group"], row["rule"]): row["items"] for row in summary["accuracies"]}
    assert counts[(None, "logprob")] == 3
    assert (counts[("a", "hellaswag")], counts[("b", "winogrande")]) == (1, 1)
    assert ("a", "winogrande") not in counts
    assert (summary["items"], summary["without_gold"], summary["interrupted"]) == (4, 1, False)
    assert summary["by"] == "set"
    for row in summary["accuracies"]:
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]


def test_what_a_score_is(env: dict[str, str], tiny: Path) -> None:
    """That of ``distil score``, as long as no token spans the place."""
    found, _ = records(env, "-m", tiny, stdin=lines_of(OWN))
    scored = run(*("score", "-m", str(tiny), "--json", "--prefix", "Tom saw a", " dog."), env=env)
    expected = json.loads(scored.stdout)
    assert found["choices"][0]["logprob"] == pytest.approx(expected["logprob"], rel=1e-4)
    assert found["choices"][0]["tokens"] == expected["tokens"]["text"]
    joined, _ = records(env, "-m", tiny, "--delimiter", "", stdin=lines_of(OWN))
    assert joined["choices"][0]["logprob"] != found["choices"][0]["logprob"]


def test_tables(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(lines_of(*ITEMS))
    header, *rows, last = output(env, "-m", tiny, "--file", path, stdin=b"").splitlines()
    assert header.split()[:4] == ["RULE", "ITEMS", "CORRECT", "ACCURACY"]
    assert [row.split("  ")[0] for row in rows] == [
        "logprob", "per token", "per byte", "hellaswag", "winogrande",
    ]  # fmt: skip
    assert last.startswith("1 of 4 items don't say which choice is right")
    by = output(env, "-m", tiny, "--by", "set", stdin=lines_of(*ITEMS)).splitlines()
    assert by[0].split()[:2] == ["SET", "RULE"]
    assert [line.split()[0] for line in by[1:-1]] == ["a"] * 4 + ["b"] * 4 + ["all"] * 5
    result = run("choose", "-m", str(tiny), "--by", "x", env=env, stdin=lines_of(OWN))
    assert b'No item has the field "x".' in result.stderr


def test_csv(env: dict[str, str], tiny: Path) -> None:
    result = run("choose", "-m", str(tiny), "--csv", env=env, stdin=lines_of(BLANK, OWN))
    assert b'Fields that the first item does not have are left out: "id".' in result.stderr
    rows = list(csv.DictReader(io.StringIO(result.stdout.decode())))
    assert [(row["line"], row["choice"], row["is_gold"]) for row in rows] == [
        ("1", "0", "false"), ("1", "1", "true"), ("2", "0", "true"), ("2", "1", "false"),
    ]  # fmt: skip
    assert [row["set"] for row in rows] == ["b", "b", "a", "a"]
    assert rows[0]["hellaswag"] == rows[2]["winogrande"] == ""
    first, second, _ = records(env, "-m", tiny, stdin=lines_of(BLANK, OWN))
    choices = [*first["choices"], *second["choices"]]
    for name in ("tokens", "bytes", "logprob", "surprisal", "per_token", "per_byte"):
        assert [float(row[name]) for row in rows] == [choice[name] for choice in choices]


def test_lines_that_are_no_items(env: dict[str, str], tiny: Path) -> None:
    window = {"context": "a", "choices": ["b c" * 300, "d"], "gold": 0}
    stdin = lines_of(OWN, {"context": "a"}) + b"\n{\n\xff\n" + lines_of(window, PAIR)
    result = run("choose", "-m", str(tiny), "--json", env=env, stdin=stdin)
    assert result.returncode == ExitStatus.FAILED
    assert [json.loads(line).get("line") for line in result.stdout.splitlines()] == [1, 7, None]
    messages = result.stderr.decode().splitlines()
    assert messages[0].startswith('Error: Line 2: It has no "choices".')
    assert messages[1].startswith("Error: Line 4: It is not JSON: ")
    assert messages[2].startswith("Error: Line 5 is not UTF-8 text")
    assert messages[3].startswith("Error: Line 6: A choice is longer than the context window")
    assert messages[-1].startswith("Error: 4 of 7 lines were skipped.")


@pytest.mark.parametrize("stdin", [b"", b"\n\n", b"{}\n"])
def test_no_items(env: dict[str, str], tiny: Path, stdin: bytes) -> None:
    result = run("choose", "-m", str(tiny), env=env, stdin=stdin)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert b"There are no items that can be scored." in result.stderr


def test_contexts_that_are_too_long(env: dict[str, str], tiny: Path) -> None:
    long = OWN | {"context": "Tom saw a dog. " * 60}
    result = run("choose", "-m", str(tiny), env=env, stdin=lines_of(long, OWN))
    assert b"1 context was cut on the left to fit the context window." in result.stderr
    first, second, summary = records(env, "-m", tiny, stdin=lines_of(long, OWN))
    assert first["cut"] > 0 == second["cut"]
    assert summary["cut_items"] == 1


def test_workers_change_nothing(env: dict[str, str], tiny: Path) -> None:
    many = lines_of(*ITEMS * 40) + b"{\n"
    found = []
    for count in ("1", "2"):
        options = ("--json", "--workers", count, "--parallel", "3")
        result = run("choose", "-m", str(tiny), *options, env=env, stdin=many)
        assert result.returncode == ExitStatus.FAILED
        found.append((result.stdout, result.stderr))
    assert found[0] == found[1]
    assert found[0][0].count(b"\n") == 161


def test_an_interrupt(env: dict[str, str], tiny: Path) -> None:
    """The accuracies so far are shown; items are read as they come."""
    command = [*DISTIL, "choose", "-m", str(tiny), "--workers", "1"]
    with fed_by_yes(command, env, json.dumps(OWN)) as process:
        wait_for_work(process.pid)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == ExitStatus.INTERRUPTED
    header, row, *_ = printed.decode().splitlines()
    assert header.startswith("RULE")
    assert int(row.split()[1]) > 0


@pytest.mark.parametrize(("name", "value"), [("parallel", "0"), ("workers", "0")])
def test_numbers_that_can_t_be(env: dict[str, str], tiny: Path, name: str, value: str) -> None:
    result = run("choose", "-m", str(tiny), f"--{name}", value, env=env)
    assert result.returncode == ExitStatus.USAGE
    assert f"--{name} can't be {value}." in result.stderr.decode()
