"""``distil generate --logprobs``: how likely each token of a completion was."""

import json
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run

PROMPT = "The old man and the"


def records(env: dict[str, str], model: Path, *options: str) -> list[dict[str, Any]]:
    arguments = ("generate", "-m", str(model), "--json", "--seed", "3", "--max-tokens", "8")
    result = run(*arguments, *options, PROMPT, env=env)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("parallel", ["1", "2"])
def test_every_token_and_the_same_text(env: dict[str, str], tiny: Path, parallel: str) -> None:
    options = ("-n", "2", "--parallel", parallel)
    plain = records(env, tiny, *options)
    observed = records(env, tiny, *options, "--logprobs", "4")
    assert [each["text"] for each in observed] == [each["text"] for each in plain]
    for record in observed:
        tokens = record["logprobs"]
        assert len(tokens) == record["tokens"]["completion"] == 8
        assert "".join(token["text"] for token in tokens) == record["text"]
        for token in tokens:
            assert token["logprob"] <= token["top"][0]["logprob"] <= 0
            assert token["sampled_logprob"] >= token["logprob"]  # 50 tokens share what all had
            assert len(token["top"]) == 4
            assert bytes(token["bytes"]).decode() == token["text"]
    assert all("logprobs" not in record for record in plain)


def test_a_completion_is_as_likely_as_its_score(env: dict[str, str], tiny: Path) -> None:
    (record,) = records(env, tiny, "--logprobs", "0")
    assert all(token["top"] == [] for token in record["logprobs"])
    arguments = ("score", "-m", str(tiny), "--json", "--prefix", PROMPT, record["text"])
    scored = json.loads(run(*arguments, env=env).stdout)
    assert [each["id"] for each in scored["scores"]] == [each["id"] for each in record["logprobs"]]
    assert scored["logprob"] == pytest.approx(
        sum(each["logprob"] for each in record["logprobs"]), abs=0.2
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--logprobs", "2"), "--logprobs works only with --json."),
        (("--logprobs", "-1", "--json"), "--logprobs can't be -1."),
    ],
)
def test_what_can_t_be(
    env: dict[str, str], tiny: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("generate", "-m", str(tiny), *options, "a", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert message in result.stderr.decode()
