"""The options of samplers, bans and beams: read, recorded, replayed, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.quick_model import env as env
from tests.support.run import run, terminal

PROMPT = "Once upon a time"
REPETITIVE = "The cat sat. The cat sat. The cat"
COMMON = ("--seed", "1", "--max-tokens", "24")
OPTIONS = {
    "filters": (
        *("--typical-p", "0.7", "--top-n-sigma", "2", "--xtc-probability", "0.5"),
        *("--xtc-threshold", "0.05", "--dynatemp-range", "0.5", "--dynatemp-exponent", "2"),
    ),
    "mirostat": ("--mirostat", "2", "--mirostat-tau", "3", "--mirostat-eta", "0.2"),
    "penalties": (
        *("--dry-multiplier", "20", "--dry-allowed-length", "1", "--dry-sequence-breaker", r"\n"),
        *("--dry-base", "1.5", "--repetition-penalty", "1.3", "--repeat-last-n", "8"),
        *("--logit-bias", "12+1.5", "--logit-bias", "11-inf"),
        *("--ban", "little", "--ban", r"\n", "--no-repeat-ngram-size", "2"),
    ),
    "beams": ("--num-beams", "4", "-n", "3", "--length-penalty", "0.5", "--early-stopping"),
}


def recorded(env: dict[str, str], *options: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    result = run("generate", *COMMON, "--json", *options, env=env, stdin=stdin)
    assert result.returncode == ExitStatus.DONE, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_recorded_comes_out_again(env: dict[str, str], tmp_path: Path, name: str) -> None:
    records = recorded(env, *OPTIONS[name], PROMPT)
    if name != "beams":
        records += recorded(env, *OPTIONS[name], "--parallel", "2", "-n", "2", PROMPT)
    records += recorded(env, *OPTIONS[name], "--lines", stdin=b"The cat\nThe cat\nA dog\n")
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    result = run("replay", str(path), env=env)
    assert result.returncode == ExitStatus.DONE, result.stdout
    assert result.stderr.decode() == f"{len(records)} of {len(records)} records are the same.\n"
    (plain,) = recorded(env, REPETITIVE)
    (changed, *_) = recorded(env, *OPTIONS[name], REPETITIVE)
    assert changed["text"] != plain["text"]


def test_beams_give_the_best_text_first(env: dict[str, str]) -> None:
    records = recorded(env, "--num-beams", "4", "-n", "4", PROMPT)
    scores = [record["score"] for record in records]
    assert scores == sorted(scores, reverse=True)
    assert len({record["text"] for record in records}) == 4
    alone = run("generate", *COMMON, "--num-beams", "4", PROMPT, env=env)
    assert alone.stdout.decode() == records[0]["text"] + "\n"
    assert alone.stderr == b""
    with terminal("generate", *COMMON, "--num-beams", "2", "-n", "2", PROMPT, env=env) as screen:
        assert screen.wait() == ExitStatus.DONE
    assert b"2 of 2 " in screen.output
    assert b"seed" not in screen.output
    without_a_seed = ("--max-tokens", "24", "--num-beams", "4", PROMPT)
    assert run("generate", *without_a_seed, env=env).stderr == b""


def test_a_missing_best_text_is_no_whole_record(env: dict[str, str]) -> None:
    records = recorded(env, "--num-beams", "3", "-n", "3", PROMPT)[1:]
    stdin = "".join(json.dumps(record) + "\n" for record in records).encode()
    result = run("replay", "-", env=env, stdin=stdin)
    assert result.returncode == ExitStatus.FAILED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--logit-bias", "12"), "--logit-bias can't be 12. Use the id of a token"),
        (("--logit-bias", "12+101"), "--logit-bias can't be 101.0. Use tokens with biases; a bias"),
        (("--logit-bias", "999999+1"), "--logit-bias can't be 999999. Use for tokens from 0 to"),
        (("--ban", ""), "--ban can't be . Use texts of at least one character."),
        (("--ban", r"\x"), r"--ban has the unknown escape \x"),
        (("--mirostat", "3"), "--mirostat can't be 3. Use a number from 0 to 2."),
        (("--typical-p", "-1"), "--typical-p can't be -1.0."),
        (("--dry-base", "0.5"), "--dry-base can't be 0.5."),
        (("--num-beams", "0"), "--num-beams can't be 0."),
        (("--num-beams", "2", "-n", "3"), "2 beams give no 3 texts."),
        (("--num-beams", "2", "--parallel", "2"), "--num-beams and --parallel can't be combined."),
        (
            ("--num-beams", "2", "--logprobs", "1", "--json"),
            "--logprobs and --num-beams can't be combined.",
        ),
        (("--num-beams", "2", "--choices", "a|b"), "--num-beams can't be 2. Use 1 with a grammar."),
    ],
)
def test_what_is_refused(env: dict[str, str], options: tuple[str, ...], message: str) -> None:
    result = run("generate", *COMMON, *options, PROMPT, env=env)
    assert result.returncode == ExitStatus.USAGE
    assert message in result.stderr.decode()
    assert result.stdout == b""
