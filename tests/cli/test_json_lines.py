"""``generate --lines json``: prompts with line ends, and options and a seed for each line."""

import json
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cli.app import load_command
from distilgpt2_cli.cli.optional_values import with_values
from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run

COMMAND = ("generate", "--max-tokens", "9", "-s", "40", "--lines", "json", "--threads", "1")
LINES: list[Any] = [
    "Once upon\na time",
    {"prompt": "The\tcat", "temperature": 0, "max_tokens": 5},
    {"prompt": "The cat", "seed": 7, "top_k": 3, "stop": ["e"], "ignore_eos": True},
    "",
    {"prompt": "Say: ", "grammar": 'root ::= "yes" | "no"', "top_p": 1},
    {"prompt": "The cat", "logit_bias": [[262, 3], [11, None]], "ban": ["e"]},
    {"prompt": "The cat"},
]


def as_json(lines: list[Any]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def records(env: dict[str, str], model: Path, *options: str) -> list[dict[str, Any]]:
    arguments = (*COMMAND, "-m", str(model), "--json", *options)
    result = run(*arguments, env=env, stdin=as_json(LINES))
    assert result.returncode == ExitStatus.DONE, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_equals_its_single_run(env: dict[str, str], tiny: Path) -> None:
    made = records(env, tiny)
    seeds = (40, 41, 7, 43, 44, 45, 46)
    grammar = ("--choices", "yes|no")
    singles: list[tuple[str, ...]] = [
        (),
        ("--temperature", "0", "--max-tokens", "5"),
        ("--top-k", "3", "--stop", "e", "--ignore-eos"),
        (),
        (*grammar, "--top-p", "1"),
        ("--logit-bias", "262+3", "--logit-bias", "11-inf", "--ban", "e"),
        (),
    ]
    assert [record["seed"] for record in made] == list(seeds)
    for line, record, seed, options in zip(LINES, made, seeds, singles, strict=True):
        prompt = line if isinstance(line, str) else line["prompt"]
        command = ("generate", "-m", str(tiny), "--max-tokens", "9", "-s", str(seed), *options)
        single = run(*command, env=env, stdin=f"{prompt}\n".encode())
        assert single.stdout.decode() == record["text"] + "\n"
        assert record["prompt"] == prompt
        assert record.get("own_options", False) == (isinstance(line, dict) and len(line) > 1)
        own = line if isinstance(line, dict) else {}
        shown = record["options"] | {"prompt": prompt, "seed": seed}
        assert {name: shown[name] for name in own} == own


@pytest.mark.parametrize("options", [(), ("--parallel", "3", "-n", "2", "--logprobs", "1")])
def test_records_can_be_replayed(env: dict[str, str], tiny: Path, options: tuple[str, ...]) -> None:
    made = records(env, tiny, *options)
    stdin = as_json(made)
    result = run("replay", "--threads", "1", "-", env=env, stdin=stdin)
    assert result.returncode == ExitStatus.DONE, result.stdout
    assert result.stdout.count(b": ok\n") == len(made)


def test_any_number_of_workers(env: dict[str, str], tiny: Path) -> None:
    lines = [{"prompt": f"It is\n{i}", "top_k": 1 + i % 7, "seed": i} for i in range(90)]
    lines[50:50] = [{"prompt": "x", "temprature": 1}]
    command = (*COMMAND, "-m", str(tiny), "--parallel", "4")
    results = [
        run(*command, "--workers", count, env=env, stdin=as_json(lines)) for count in ("1", "3")
    ]
    assert results[0].stdout == results[1].stdout
    assert results[0].stderr == results[1].stderr
    assert results[0].stdout.count(b"\n") == 90


def test_lines_that_are_refused(env: dict[str, str], tiny: Path) -> None:
    """Each with its number, and with the name of the field as the line has it."""
    wrong = {
        b"nonsense": "It is not JSON.",
        b"[]": "It is neither a string nor an object with a prompt.",
        b'{"seed": 1}': "It is neither a string nor an object with a prompt.",
        b'{"prompt": 1}': "It is neither a string nor an object with a prompt.",
        b'{"prompt": "a", "temprature": 1}': 'There is no option "temprature".',
        b'{"prompt": "a", "top_k": -1}': "top_k can't be -1.",
        b'{"prompt": "a", "top_k": "3"}': "top_k can't be '3'.",
        b'{"prompt": "a", "top_p": NaN}': "top_p can't be nan.",
        b'{"prompt": "a", "ignore_eos": 1}': "ignore_eos can't be 1.",
        b'{"prompt": "a", "stop": "b"}': "stop is not a list of texts.",
        b'{"prompt": "a", "grammar": 1}': "grammar is not a text.",
        b'{"prompt": "a", "logit_bias": {"5": 1}}': "logit_bias is not a list of tokens with",
        b'{"prompt": "a", "num_beams": 2}': "num_beams can't be chosen for a single line.",
        b'{"prompt": "a", "seed": -3}': "seed can't be -3.",
        b'{"prompt": "a", "seed": true}': "seed can't be True.",
        b'{"prompt": "\\ud800"}': "The text has an unpaired surrogate.",
        b"[" * 100_000: "It is not JSON.",
        b'"\xff"': "is not UTF-8 text",
    }
    stdin = b"\n".join([b'"first"', *wrong, b'"last"'])
    result = run(*COMMAND, "-m", str(tiny), "--json", env=env, stdin=stdin)
    assert result.returncode == ExitStatus.FAILED
    assert [json.loads(line)["seed"] for line in result.stdout.splitlines()] == [40, 59]
    errors = result.stderr.decode().splitlines()
    for number, (error, expected) in enumerate(zip(errors, wrong.values(), strict=False), 2):
        assert error.startswith(f"Error: Line {number}")
        assert expected in error
    assert errors[-1].startswith(f"Error: {len(wrong)} of {len(wrong) + 2} lines were skipped.")


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ('root ::= "a" root', "Line 1 of the grammar"),
        ('root ::= "\\x1f"', "no token of the model spells"),
    ],
)
def test_a_grammar_that_nothing_follows(
    env: dict[str, str], tiny: Path, without_controls: Path, grammar: str, reason: str
) -> None:
    """It concerns its line alone, in order, wherever the line is computed."""
    model = without_controls if "token" in reason else tiny
    lines: list[dict[str, Any]] = [{"prompt": str(i), "max_tokens": 2} for i in range(6)]
    lines[3]["grammar"] = lines[5]["grammar"] = grammar
    for options in ((), ("--parallel", "2"), ("--parallel", "2", "--workers", "2")):
        result = run(*COMMAND, "-m", str(model), *options, env=env, stdin=as_json(lines))
        assert result.returncode == ExitStatus.FAILED
        assert result.stdout.count(b"\n") == 4
        errors = result.stderr.decode().splitlines()
        assert [error.partition(": ")[2][:6] for error in errors[:2]] == ["Line 4", "Line 6"]
        assert all(reason in error for error in errors[:2])


def test_lines_alone_and_before_anything_else() -> None:
    parameters = load_command("generate").params
    for given, parsed in {
        "--lines": "--lines=text",
        "--lines json": "--lines json",
        "--lines text -": "--lines text -",
        "--lines - -s 1": "--lines=text - -s 1",
        "--lines --json": "--lines=text --json",
        "--lines=json -s 1": "--lines=json -s 1",
        "--stop --lines --lines": "--stop --lines --lines=text",
        "--quiet --lines -- --lines": "--quiet --lines=text -- --lines",
        "-- --lines": "-- --lines",
        "Hello --lines": "Hello --lines=text",
        "--lines --lines json": "--lines=text --lines json",
        "": "",
    }.items():
        assert with_values(given.split(), parameters) == parsed.split()


def test_text_lines_are_as_before(env: dict[str, str], tiny: Path) -> None:
    stdin, command = b'"Hi"\n', ("generate", "-m", str(tiny), "-s", "1", "--echo")
    outputs = {
        run(*command, *options, "--max-tokens", "3", env=env, stdin=stdin).stdout
        for options in (("--lines",), ("--lines", "text"), ("--lines=text",), ("--lines", "-"))
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith(b'"Hi"')


def test_beams_of_lines_with_options(env: dict[str, str], tiny: Path) -> None:
    lines = [{"prompt": "Once upon\na time"}, {"prompt": "The cat", "max_tokens": 4}]
    options = ("--num-beams", "3", "-n", "2", "--json")
    made = run(*COMMAND, "-m", str(tiny), *options, env=env, stdin=as_json(lines))
    assert made.returncode == ExitStatus.DONE, made.stderr
    counts = [json.loads(line)["tokens"]["completion"] for line in made.stdout.splitlines()]
    assert counts == [9, 9, 4, 4]
    replayed = run("replay", "--threads", "1", "-", env=env, stdin=made.stdout)
    assert replayed.returncode == ExitStatus.DONE, replayed.stdout
