"""``distil next``: the most likely next tokens."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run, terminal

PROMPT = "The capital of France is"


def output(env: dict[str, str], model: Path, *options: str, stdin: bytes = b"") -> str:
    result = run("next", "-m", str(model), *options, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def record(env: dict[str, str], model: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(env, model, "--json", *options))
    return found


def test_a_model_that_knows(env: dict[str, str], trained: Path) -> None:
    lines = output(env, trained, "--top", "3", PROMPT).splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ["PROBABILITY", "MODEL", "ID", "TOKEN"]
    assert lines[1].endswith('" Paris"')
    assert lines[1].split()[0].endswith("%")


def test_the_first_is_what_a_greedy_generation_writes(env: dict[str, str], trained: Path) -> None:
    found = record(env, trained, PROMPT)
    greedy = run(
        "generate", "-m", str(trained), "--temperature", "0", "--max-tokens", "1", PROMPT, env=env
    )
    assert found["top"][0]["text"] + "\n" == greedy.stdout.decode()
    assert found["tokens"] == {"prompt": 5}
    probabilities = [math.exp(each["logprob"]) for each in found["top"]]
    assert len(probabilities) == 10
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) < 1


def test_nothing_is_said_of_sampling_that_changes_nothing(
    env: dict[str, str], trained: Path
) -> None:
    made = output(env, trained, "--top", "2", "--top-k", "0", PROMPT)
    assert made.splitlines()[0].split() == ["PROBABILITY", "ID", "TOKEN"]
    assert "Sampling keeps" not in made
    top = record(env, trained, "--top-k", "0", PROMPT)["top"]
    assert [each["sampled_logprob"] for each in top] == pytest.approx(
        [each["logprob"] for each in top], rel=1e-5, abs=1e-5
    )


@pytest.mark.parametrize("options", [(), ("-t", "2"), ("-t", "0.5", "--top-p", "0.8")])
def test_the_probabilities_are_those_that_generate_draws_with(
    env: dict[str, str], options: tuple[str, ...]
) -> None:
    runs = 2000
    common = ("-m", "demo", *options, "One day, Tom found a")
    counts = ("-s", "1", "-n", str(runs), "--max-tokens", "1", "--one-line")
    drawn = run("generate", *counts, *common, env=env).stdout.decode().split("\n")[:-1]
    assert len(drawn) == runs
    top = json.loads(run("next", "--json", "--top", "5", *common, env=env).stdout)["top"]
    for each in top:
        logprob = each["sampled_logprob"]
        probability = 0.0 if logprob is None else math.exp(logprob)
        standard_error = math.sqrt(probability * (1 - probability) / runs)
        assert drawn.count(each["text"]) / runs == pytest.approx(
            probability, abs=5 * standard_error
        )


def test_what_sampling_leaves(env: dict[str, str], trained: Path) -> None:
    lines = output(env, trained, "--top", "4", "--top-k", "2", PROMPT).splitlines()
    assert lines[0].split() == ["PROBABILITY", "MODEL", "ID", "TOKEN"]
    assert [line.count("%") for line in lines[1:5]] == [2, 2, 1, 1]
    assert sum(float(line.split("%")[0]) for line in lines[1:3]) == pytest.approx(100)
    assert lines[-1] == "Sampling keeps 2 of 49,152 tokens."
    found = record(env, trained, "--top-p", "0.5", "--temperature", "0.5", PROMPT)
    left = [each for each in found["top"] if each["sampled_logprob"] is not None]
    assert found["left"] == len(left)
    assert sum(math.exp(each["sampled_logprob"]) for each in left) == pytest.approx(1)
    assert found["options"] == {"temperature": 0.5, "top_k": 50, "top_p": 0.5, "min_p": 0.0}


def test_lines(env: dict[str, str], tiny: Path) -> None:
    stdin = b"One\n\t\nTwo\n"
    made = output(env, tiny, "--lines", "--json", "--top", "1", stdin=stdin)
    records = [json.loads(line) for line in made.splitlines()]
    assert [(each["line"], each["prompt"]) for each in records] == [
        (1, "One"),
        (2, "\t"),
        (3, "Two"),
    ]
    assert records[0]["top"] == record(env, tiny, "--top", "1", "One")["top"]
    tables = output(env, tiny, "--lines", stdin=stdin)
    assert tables.startswith("PROBABILITY")
    assert tables.count("\n\nPROBABILITY") == 2


def test_bars_on_a_terminal(env: dict[str, str], trained: Path) -> None:
    with terminal("next", "-m", str(trained), PROMPT, env=env, columns=100) as screen:
        assert screen.wait() == 0
    lines = screen.output.decode().split("\r\n")
    assert "█" * 30 in lines[1]
    assert "█" * 30 not in lines[2]


def test_bars_show_the_temperature(env: dict[str, str], trained: Path) -> None:
    lengths = []
    for temperature in ("0.5", "1", "2"):
        arguments = ("next", "-m", str(trained), "-t", temperature, "--top", "2", PROMPT)
        with terminal(*arguments, env=env, columns=100) as screen:
            assert screen.wait() == 0
        lengths.append(screen.output.decode().split("\r\n")[2].count("█"))
    assert lengths == sorted(set(lengths))


@pytest.mark.parametrize("option", ["--top=0", "--top-p=2", "--temperature=-1", "--threads=0"])
def test_what_can_t_be(env: dict[str, str], tiny: Path, option: str) -> None:
    result = run("next", "-m", str(tiny), option, "a", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert option.split("=")[0].encode() in result.stderr
