"""``distil lens``: the logit lens and attention, on a terminal, in JSON, CSV, NumPy's files."""

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from distilgpt2_cli.engine import Inside, Model, look_inside
from distilgpt2_cli.errors import ExitStatus
from tests.support import gguf
from tests.support.extent import cases
from tests.support.forked import Run, run_all
from tests.support.run import run, terminal

DEMO = ("lens", "-m", "demo", "--threads", "1")
TEXT = "Once upon a time, there was a little girl named Lily. 日本"
_CELL = re.compile(r"""("(?:[^"\\]|\\.)*"?…?|b'.*?') (\d+)%""")
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def inside(bundled: Path) -> Inside:
    with Model(bundled) as model:
        return look_inside(model, model.tokenize(TEXT), 1)


def output(env: dict[str, str], *options: str) -> str:
    result = run(*DEMO, *options, env=env)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def test_json(env: dict[str, str], bundled: Path, inside: Inside) -> None:
    record = json.loads(output(env, "--json", TEXT))
    assert record["text"] == TEXT
    count = len(inside.tokens)
    assert record["tokens"] == {"text": count, "left_out": 0}
    assert (record["layers"], record["heads"]) == (6, 5)
    assert record["attention"] is None
    assert [each["id"] for each in record["lens"]] == list(inside.tokens)
    assert [each["position"] for each in record["lens"]] == list(range(count))
    assert b"".join(bytes(each["bytes"]) for each in record["lens"]).decode() == TEXT
    with Model(bundled) as model:
        for position, token in enumerate(record["lens"]):
            assert [cell["layer"] for cell in token["layers"]] == list(range(7))
            for cell in token["layers"]:
                check_cell(cell, model, inside, position)


def check_cell(cell: dict[str, Any], model: Model, inside: Inside, position: int) -> None:
    place, lens = (cell["layer"], position), inside.lens
    assert [each["id"] for each in cell["top"]] == lens.top_ids[place].tolist()
    assert [each["logprob"] for each in cell["top"]] == lens.top_logprobs[place].tolist()
    assert [bytes(each["bytes"]) for each in cell["top"]] == [
        model.piece(each, special=True) for each in lens.top_ids[place].tolist()
    ]
    assert cell["entropy"] == lens.entropies[place]
    if position == len(inside.tokens) - 1:
        assert (cell["rank"], cell["logprob"], cell["surprisal"]) == (None, None, None)
    else:
        assert cell["rank"] == lens.ranks[place]
        assert cell["logprob"] == lens.logprobs[place]
        assert cell["surprisal"] == pytest.approx(-lens.logprobs[place] / math.log(2))


def test_tables_have_what_json_has(env: dict[str, str], tmp_path: Path, inside: Inside) -> None:
    head = ("--layer", "2", "--head", "3")
    runs = [
        Run([*DEMO, TEXT]),
        Run([*DEMO, "--csv", TEXT]),
        Run([*DEMO, "--json", *head, TEXT]),
        Run([*DEMO, "--csv", *head, TEXT]),
        Run([*DEMO, *head, TEXT]),
    ]
    grid, rows, record, seen, matrix = (each.output for each in run_all(runs, env, tmp_path))
    table = list(csv.DictReader(io.StringIO(rows)))
    cells = json.loads(record)["lens"]
    assert len(table) == 7 * len(cells)
    for row in table:
        token = cells[int(row["position"])]
        cell = token["layers"][int(row["layer"])]
        assert (int(row["id"]), json.loads(row["bytes"])) == (token["id"], token["bytes"])
        assert int(row["top_id"]) == cell["top"][0]["id"]
        assert row["top_text"] == cell["top"][0]["text"]
        for name in ("rank", "logprob", "surprisal", "entropy"):
            assert (float(row[name]) if row[name] else None) == cell[name]
    check_grid(grid, cells)
    check_attention(json.loads(record)["attention"], seen, matrix, inside)


def check_grid(grid: str, cells: list[dict[str, Any]]) -> None:
    """Each part of the table has its tokens in the first line, and then the last layer."""
    parts = [part.splitlines() for part in grid.split("\n\n")]
    assert len(parts) > 1
    columns = 0
    for title, *lines in parts:
        assert [line.split()[0] for line in lines] == list("6543210")
        for layer, line in zip(range(6, -1, -1), lines, strict=True):
            found = _CELL.findall(line)
            assert line.startswith(str(layer))
            for place, (text, percent) in enumerate(found, columns):
                top = cells[place]["layers"][layer]["top"][0]
                assert percent == f"{100 * math.exp(top['logprob']):.0f}"
                assert "…" in text or text in shapes(top)
        assert any(each in title for each in shapes(cells[columns]))
        columns += len(found)
        assert max(map(cell_len, lines)) <= 100
    assert columns == len(cells)


def shapes(token: dict[str, Any]) -> tuple[str, str]:
    """Return how a token is shown: as text, or as bytes if it is not UTF-8."""
    return json.dumps(token["text"], ensure_ascii=False), repr(bytes(token["bytes"]))


def check_attention(record: dict[str, Any], rows: str, matrix: str, inside: Inside) -> None:
    assert inside.attentions is not None
    weights = inside.attentions[1, 2]
    assert (record["layer"], record["head"]) == (2, 3)
    for place, row in enumerate(record["weights"]):
        assert row == weights[place, : place + 1].tolist()
    table = list(csv.DictReader(io.StringIO(rows)))
    assert len(table) == len(weights) * (len(weights) + 1) // 2
    for each in table:
        row, column = int(each["position"]), int(each["seen_position"])
        assert float(each["weight"]) == weights[row, column]
        assert int(each["seen_id"]) == inside.tokens[column]
    title, *parts = matrix.split("\n\n")
    assert title.startswith("Attention of layer 2, head 3:")
    seen = []
    for part in parts:
        header, *lines = part.splitlines()
        columns = list(map(int, header.split()))
        seen += columns
        assert [int(line.split()[0]) for line in lines] == list(range(columns[0], len(weights)))
        for row, line in enumerate(lines, columns[0]):
            expected = [f"{100 * weights[row, column]:.0f}" for column in columns if column <= row]
            assert line.split()[-len(expected) :] == expected
    assert seen == list(range(len(weights)))


def test_arrays(env: dict[str, str], tmp_path: Path, inside: Inside) -> None:
    path, again = tmp_path / "a.npz", tmp_path / "b.npz"
    output(env, "--npz", str(path), TEXT)
    output(env, "--npz", str(again), "--json", TEXT)
    assert path.read_bytes() == again.read_bytes()
    with np.load(path) as archive:
        arrays = dict(archive)
    lens = inside.lens
    expected = {
        "tokens": np.array(inside.tokens),
        "left_out": np.array(0),
        "hidden_states": inside.hidden_states,
        "attentions": inside.attentions,
        "lens_ids": lens.top_ids,
        "lens_logprobs": lens.top_logprobs,
        "rank": lens.ranks,
        "logprob": lens.logprobs,
        "entropy": lens.entropies,
    }
    assert arrays.keys() == {*expected, "pieces", "surprisal"}
    for name, array in expected.items():
        assert np.array_equal(arrays[name], array), name  # type: ignore[arg-type]
    assert arrays["hidden_states"].dtype == arrays["attentions"].dtype == np.float32
    assert "".join(arrays["pieces"]).startswith("Once upon a time")
    np.testing.assert_allclose(arrays["surprisal"] * math.log(2), -lens.logprobs)
    result = run(*DEMO, "--npz", str(path), TEXT, env=env)
    assert result.returncode == ExitStatus.FAILED
    assert b"overwrite it with --force" in result.stderr
    output(env, "--npz", str(path), "--force", TEXT)


def test_a_text_over_the_window(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    text = "word " * 300
    model = ("lens", "-m", str(tiny), "--threads", "1")
    runs = [
        Run([*model, text]),
        Run([*model, "--overflow", "end", "--json", "--npz", str(tmp_path / "a.npz"), text]),
        Run([*model, "--overflow", "end", "--html", str(tmp_path / "a.html"), text]),
    ]
    refused, end, _ = run_all(runs, env, tmp_path)
    assert (refused.status, refused.output) == (ExitStatus.USAGE, "")
    assert "the context window 128." in refused.errors
    assert "use --overflow end for its last 128 tokens." in refused.errors
    record = json.loads(end.output)
    count = int(re.findall(r"has (\d+) tokens", refused.errors)[0])
    assert record["tokens"] == {"text": 128, "left_out": count - 128}
    assert f"The first {count - 128} of {count} tokens are left out." in end.errors
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["left_out"] == count - 128
        assert f'"leftOut":{count - 128},' in (tmp_path / "a.html").read_text()
        assert archive["attentions"].shape == (2, 2, 128, 128)


@pytest.mark.parametrize("text", ["", "A"])
def test_the_shortest_texts(env: dict[str, str], text: str) -> None:
    """An empty text is the start token, as in features; nothing comes next after a single token."""
    record = json.loads(output(env, "--json", "--layer", "1", "--head", "1", text))
    (token,) = record["lens"]
    assert token["text"] == (text or "<|endoftext|>")
    assert record["attention"]["weights"] == [[1]]
    assert output(env, text).splitlines()[-1].startswith("0 ")


def shown(env: dict[str, str], columns: int, *arguments: str) -> str:
    with terminal(*DEMO, *arguments, env=env, columns=columns) as screen:
        assert screen.wait() == 0
    return screen.output.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("columns", "head"), cases([(40, ()), (60, ("--layer", "6", "--head", "5"))], [(100, ())])
)
def test_a_terminal(env: dict[str, str], columns: int, head: tuple[str, ...]) -> None:
    """Shaded if there are colours; the texts are the same, and fit."""
    text = "One day, 日本 was \x1b[31m red and \u202eblue"
    coloured = shown(env, columns, *head, text)
    plain = shown({**env, "NO_COLOR": "1"}, columns, *head, text)
    assert "\x1b" not in plain.replace("\x1b[2K", "")
    assert "\u202e" not in plain
    assert set(re.findall(r"\x1b\[38;5;\d+;48;5;\d+m", coloured))
    without = _STYLES.sub("", coloured)
    assert "percent  0-2  2-5  5-10  10-25  25-50  50+ " in without
    for line in plain.splitlines():
        assert cell_len(line) <= columns
        assert line in [each.rstrip() for each in without.splitlines()]
    if not head:
        assert r'"\u001b"' in plain


def test_what_can_t_be(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    refused = {
        ("--layer", "1", "a"): (2, "--layer shows the attention of one head, which needs --head."),
        ("--head", "1", "a"): (2, "--head shows the attention of one head, which needs --layer."),
        ("--layer", "0", "--head", "1", "a"): (2, "--layer can't be 0. Use a number from 1 to 2."),
        ("--layer", "1", "--head", "6", "a"): (2, "--head can't be 6. Use a number from 1 to 2."),
        ("--json", "--csv", "a"): (2, "--json and --csv can't be combined."),
        ("--npz", "f.npy", "a"): (2, "f.npy must end in .npz."),
        ("--html", "f.txt", "a"): (2, "f.txt must end in .html or .htm."),
        ("--html", "/dev/null/f.html", "a"): (1, "/dev/null is not a folder."),
        ("--lines",): (2, "distil lens has no option --lines."),
    }
    results = run_all(
        [Run(["lens", "-m", str(tiny), *options]) for options in refused], env, tmp_path
    )
    for (status, message), result in zip(refused.values(), results, strict=True):
        assert (result.status, result.output) == (status, "")
        assert message in result.errors


def test_a_page_too_large_is_refused_before_the_work(env: dict[str, str], tmp_path: Path) -> None:
    shape = gguf.Shape(layers=8, width=96, heads=48, context=512, tokens=5001)
    model = gguf.write(tmp_path / "many-heads.gguf", shape)
    path = tmp_path / "page.html"
    options = ("lens", "-m", str(model), "--html", str(path))
    result = run(*options, env=env, stdin=b"word " * 400)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    found = re.search(r"of attention. Use a text of at most (\d+) tokens, or --npz.", str(result))
    assert found
    most = int(found[1])
    # Two bytes a weight, and four characters for three bytes.
    sizes = [8 * 48 * n * (n + 1) * 4 / 3 for n in (most, most + 1)]
    assert sizes[0] <= 20e6 < sizes[1]
    assert not path.exists()
