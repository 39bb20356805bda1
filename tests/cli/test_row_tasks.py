"""What `distil map` computes of rows is what the commands print for lines."""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cli.tasks.features import FeaturesTask
from distilgpt2_cli.cli.tasks.generate import GenerateTask
from distilgpt2_cli.cli.tasks.rows import FeaturesRows, GenerateRows, ScoreRows
from distilgpt2_cli.cli.tasks.score import ScoreTask
from distilgpt2_cli.cluster.rows import Computed, Refused, Row, RowTask
from distilgpt2_cli.engine.options import GenerationOptions
from distilgpt2_cli.models import demo
from distilgpt2_cli.models.reference import AdapterFile, local
from tests.support.run import run

TEXTS = ["Once upon a time", "", "The cat sat", "One day,\tTom and", "Hi"]
ROWS = [Row(number, text) for number, text in enumerate(TEXTS, 1) if text]
OPTIONS = GenerationOptions(max_tokens=6)
SIX = ("--max-tokens", "6", "--seed", "5", "-n", "2", "--echo")


def computed(task: RowTask, rows: Sequence[Row] = ROWS) -> list[Any]:
    """Return what an actor, which gets the task as bytes, makes of rows."""
    copied: RowTask = pickle.loads(pickle.dumps(task))
    with copied.open() as work:
        return list(work.results(copied.item(row, place) for place, row in enumerate(rows)))


def printed(env: dict[str, str], *arguments: str) -> str:
    stdin = "".join(f"{text}\n" for text in TEXTS).encode()
    result = run(*arguments, "-m", "demo", "--lines", env=env, stdin=stdin)
    assert result.stderr == b"1 empty line was skipped.\n"
    return result.stdout.decode()


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_line_is_what_the_command_prints(env: dict[str, str], parallel: int) -> None:
    tasks: dict[tuple[str, ...], RowTask] = {
        ("generate", *SIX): GenerateRows(
            GenerateTask(demo(), OPTIONS, 5, 2, parallel, threads=1, echo=True)
        ),
        ("score",): ScoreRows(ScoreTask(demo(), parallel=parallel, threads=1)),
        ("features", "--pool", "mean"): FeaturesRows(
            FeaturesTask(demo(), "mean", parallel=parallel, threads=1)
        ),
        ("features",): FeaturesRows(FeaturesTask(demo(), parallel=parallel, threads=1)),
    }
    for arguments, task in tasks.items():
        found = computed(task)
        wanted = printed(env, *arguments, "--parallel", str(parallel))
        assert "".join(each.line for each in found) == wanted, arguments
        assert all(len(each.values) == len(task.columns) for each in found)
        assert [each.number for each in found] == sorted(each.number for each in found)


def test_a_seed_follows_from_the_identifier_wherever_a_row_stands() -> None:
    task = GenerateRows(GenerateTask(demo(), OPTIONS, 7, 2, threads=1))
    rows = [Row(1, "The cat", "a"), Row(2, "The cat", 12), Row(3, "The cat")]
    found = computed(task, rows)
    moved = computed(task, [Row(5, "The cat", "12"), Row(9, "The cat", "a")])
    at = [column.name for column in task.columns].index("seed")
    seeds = [each.values[at] for each in found]
    assert len(set(seeds)) == 6
    assert seeds[4:] == [7 + 4, 7 + 5]  # as for a line: two completions for each before it
    assert [each.line for each in moved] == [each.line for each in found[2:4] + found[:2]]
    tokens = [each.tokens for each in found]
    assert [tokens[0] - tokens[1], tokens[1]] == [found[0].values[-2], 6]


def test_a_row_without_a_result_says_why_in_the_words_of_the_command_line() -> None:
    long = Row(2, "a b " * 2000)
    task = FeaturesRows(FeaturesTask(demo(), "mean", threads=1))
    first, refused, last = computed(task, [ROWS[0], long, Row(3, "Hi")])
    assert isinstance(first, Computed)
    assert isinstance(last, Computed)
    assert isinstance(refused, Refused)
    assert refused.number == 2
    assert refused.problem[1] == "Shorten it, or use --overflow overlap."
    (empty,) = computed(ScoreRows(ScoreTask(demo(), threads=1)), [Row(4, "")])
    assert empty.problem == ("There is no text to score.", "Give it at least one character.")


def test_a_worker_imports_no_parser() -> None:
    script = (
        "import sys, distilgpt2_cli.cli.tasks.rows\n"
        "assert not {'typer', 'rich', 'ray', 'pyarrow'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_files_and_other_places_of_them(tmp_path: Path) -> None:
    split = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for path in split:
        path.touch()
    adapter = AdapterFile(tmp_path / "a.gguf", "a.gguf", 0.5)
    file = replace(local(split[0]), adapters=(adapter,))
    task = ScoreRows(ScoreTask(file, threads=2))
    assert task.files == {split[0]: None, split[1]: None, adapter.path: None}
    places = {path: Path("/elsewhere", path.name) for path in task.files}
    moved = task.moved(places).task.file
    assert moved == replace(
        file,
        path=places[split[0]],
        adapters=(replace(adapter, path=Path("/elsewhere/a.gguf")),),
    )
    known = ScoreRows(ScoreTask(replace(demo(), sha256="ab")))
    assert known.files == {demo().path: "ab"}
    assert (task.threads, known.threads) == (2, 1)
    assert known.memory > demo().size
