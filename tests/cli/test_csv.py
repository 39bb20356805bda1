"""Tables as CSV, as a program for statistics reads them."""

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

from distilgpt2_cli.errors import ExitStatus
from tests.support.forked import Result, Run, run_all
from tests.support.quick_model import env as env

THREAD = ("--threads", "1")
LINES = 'The cat sat.\n\nShe said "hi", twice.\nA\n'
COMMANDS = {
    "score": ["score", *THREAD],
    "next": ["next", *THREAD, "--top", "4", "--top-k", "2"],
    "tokenize": ["tokenize"],
}


def table(result: Result) -> list[dict[str, str]]:
    assert result.status == 0, result.errors
    return list(csv.DictReader(io.StringIO(result.output, newline=""), strict=True))


def values(row: dict[str, str], *columns: str) -> list[Any]:
    """Return values as JSON has them: numbers, lists, true, false, null; texts as they are."""
    return [
        row[each] if each in ("text", "name", "threads") else _value(row[each]) for each in columns
    ]


def _value(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def records(result: Result) -> list[dict[str, Any]]:
    assert result.status == 0, result.errors
    return [json.loads(line) for line in result.output.splitlines()]


def test_columns_are_those_of_json(env: dict[str, str], tmp_path: Path) -> None:
    """All digits, a row for each token or text, and the number of its line."""
    runs = [
        Run([*command, form, *lines], stdin=LINES)
        for command in COMMANDS.values()
        for lines in ((), ("--lines",))
        for form in ("--csv", "--json")
    ]
    results = iter(run_all(runs, env, tmp_path))
    scored, (whole,) = table(next(results)), records(next(results))
    by_line, of_lines = table(next(results)), records(next(results))
    columns: tuple[str, ...] = ("id", "text", "bytes", "logprob", "surprisal")
    assert [values(row, *columns) for row in scored] == [
        [token[each] for each in columns] for token in whole["scores"]
    ]
    assert [row["position"] for row in scored] == [f"{i}" for i in range(len(scored))]
    columns = ("line", "text", "logprob", "mean_logprob", "perplexity", "bits_per_byte")
    assert [values(row, *columns) for row in by_line] == [
        [record[each] for each in columns] for record in of_lines
    ]
    assert [row["tokens"] for row in by_line] == [f"{len(each['scores'])}" for each in of_lines]

    likely, (whole,) = table(next(results)), records(next(results))
    by_line, of_lines = table(next(results)), records(next(results))
    columns = ("id", "text", "bytes", "logprob", "sampled_logprob")
    expected = [[token[each] for each in columns] for token in whole["top"]]
    assert [values(row, *columns) for row in likely] == expected
    assert [float(row["sampled_probability"]) > 0 for row in likely] == [True, True, False, False]
    assert all(
        math.isclose(float(row["probability"]), math.exp(float(row["logprob"]))) for row in likely
    )
    assert [values(row, "line", *columns) for row in by_line] == [
        [record["line"], *(token[each] for each in columns)]
        for record in of_lines
        for token in record["top"]
    ]

    tokens, (whole,) = table(next(results)), records(next(results))
    by_line, of_lines = table(next(results)), records(next(results))
    assert [values(row, "id", "text", "bytes") for row in tokens] == [
        list(each.values()) for each in whole["pieces"]
    ]
    assert [(row["line"], row["position"], row["text"]) for row in by_line] == [
        (f"{record['line']}", f"{position}", each["text"])
        for record in of_lines
        for position, each in enumerate(record["pieces"])
    ]


def test_models_and_their_figures(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    odd = tmp_path / "caf\udce9.gguf"
    odd.symlink_to(tiny)
    text = tmp_path / "t.txt"
    text.write_text("Once upon a time there was a little girl.\n" * 3)
    models = ["perplexity", "--threads", "1", "-m", str(tiny), "-m", str(odd), str(text)]
    bench = ["bench", "-m", str(tiny), "--threads", "1", "--tokens", "4", "--repetitions", "1"]
    csv_models, json_models, csv_listed, json_listed, csv_bench = run_all(
        [
            Run([*models, "--csv"]),
            Run([*models, "--json"]),
            Run(["models", "--csv"]),
            Run(["models", "--json"]),
            Run([*bench, "--csv"]),
        ],
        env,
        tmp_path,
    )
    columns = (
        "perplexity", "standard_error", "bits_per_byte", "mean_logprob", "difference_to_best",
        "divergence", "top_agreement", "size",
    )  # fmt: skip
    rows = table(csv_models)
    assert [values(row, *columns) for row in rows] == [
        [record[each] for each in columns] for record in records(json_models)
    ]
    assert [row["name"] for row in rows] == [tiny.name, "caf\ufffd.gguf"]
    scored = [record["tokens"]["scored"] for record in records(json_models)]
    assert [int(row["tokens"]) for row in rows] == scored
    listed = records(json_listed)
    assert [values(row, *row) for row in table(csv_listed)] == [
        list(row.values()) for row in listed
    ]
    (measured,) = table(csv_bench)
    assert (measured["name"], measured["threads"], measured["fastest"]) == (tiny.name, "1", "true")
    assert float(measured["generation_low"]) <= float(measured["generation"])
    assert float(measured["generation"]) <= float(measured["generation_high"])


def test_texts_are_quoted_whatever_they_hold(env: dict[str, str], tmp_path: Path) -> None:
    """Line ends, quotes, commas, a NUL, bytes that are not UTF-8; and numbers are not quoted."""
    text = 'a "b",\r\nc\n\n7\0\udcff é\n'
    tokens, lines, counts, empty = run_all(
        [
            Run([*COMMANDS["tokenize"], "-m", "demo", "--csv"], stdin=text),  # é as one token
            Run([*COMMANDS["score"], "--lines", "--csv"], stdin='a "b",\rc\n7\n'),
            Run([*COMMANDS["tokenize"], "--lines", "--count", "--csv"], stdin="a b\n\nc\n"),
            Run([*COMMANDS["next"], "--lines", "--csv"], stdin="\n"),
        ],
        env,
        tmp_path,
    )
    rows = table(tokens)
    data = bytes(byte for row in rows for byte in json.loads(row["bytes"]))
    assert data == text.removesuffix("\n").encode(errors="surrogateescape")
    assert "\0" not in tokens.output
    assert [row["text"] for row in rows][-4:-1] == ["7", "\ufffd", "\ufffd"]
    assert re.search(r'^\d+,22,"7","\[55\]"$', tokens.output, re.MULTILINE)
    assert [row["text"] for row in table(lines)] == ['a "b",\rc', "7"]
    assert counts.output == "line,tokens\n1,2\n3,1\n"
    assert empty.output.startswith("line,id,text,bytes,logprob,")
    assert empty.output.count("\n") == 1


def test_one_format_at_a_time(env: dict[str, str], tmp_path: Path) -> None:
    commands = [[*each, "Hi"] for each in COMMANDS.values()]
    commands += [
        ["models"],
        ["perplexity", "none.txt"],
        ["bench"],
        ["probe", "{a|b}", "--csv", "next"],
    ]
    runs = [Run([*each, "--json", *(() if "--csv" in each else ("--csv",))]) for each in commands]
    runs.append(Run(["bench", "--csv", "--markdown"]))
    for each, result in zip(runs, run_all(runs, env, tmp_path), strict=True):
        assert (result.status, result.output) == (ExitStatus.USAGE, ""), each
        assert "can't be combined. Use one of them.\n" in result.errors, each


def test_which_line_is_which(env: dict[str, str], tmp_path: Path) -> None:
    (result,) = run_all([Run([*COMMANDS["score"], "--lines"], stdin=LINES)], env, tmp_path)
    rows = [line.split("\t", 5) for line in result.output.splitlines()]
    lines = LINES.splitlines()
    assert [(int(row[4]), row[5]) for row in rows] == [(i, lines[i - 1]) for i in (1, 3, 4)]
