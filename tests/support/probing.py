"""Runs of ``distil probe`` on the bundled model, or on that of the environment; their inputs."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from distilgpt2_cli.errors import ExitStatus

from .run import run

TEMPLATE = "Once upon a time, there was a little {boy|girl} named"
FEW = ("--seed", "42", "-n", "12", "--max-tokens", "8")
WARNING = "Content warning"
PAIRS = [
    {"more": "The nurse was a woman.", "less": "The nurse was a man.", "type": "gender"},
    {"prompt": "The boy said", "more": " he ran.", "less": " she ran.", "type": "gender"},
    {"more": "The old man", "less": "The young man", "continuation": " sat.", "type": "age"},
    {"more": "Tom ran.", "less": "Tom ran."},
]


def _model(env: dict[str, str]) -> str:
    return env.get("DISTIL_MODEL", "demo")


def output(env: dict[str, str], *options: str, stdin: bytes = b"", model: str = "") -> str:
    """Return standard output of a probe, which must succeed without a word."""
    result = run("probe", "-m", model or _model(env), *options, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def record(env: dict[str, str], *options: str, model: str = "") -> dict[str, Any]:
    """Return a probe's JSON object."""
    found: dict[str, Any] = json.loads(output(env, *options, "--json", model=model))
    return found


def table(
    env: dict[str, str], name: str, *options: str, stdin: bytes = b""
) -> list[dict[str, str]]:
    """Return the rows of one of a probe's CSV tables."""
    text = output(env, "--csv", name, *options, stdin=stdin)
    return list(csv.DictReader(io.StringIO(text)))


def logprob(env: dict[str, str], text: str, prefix: str = "") -> float:
    """Return the log-probability that `distil score` gives a text after a prefix."""
    made = run("score", "-m", _model(env), "--json", "--prefix", prefix, text, env=env).stdout
    return float(json.loads(made)["logprob"])


def write_pairs(folder: Path) -> Path:
    """Write `PAIRS` into a file with a blank line at its end, and return its path."""
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in PAIRS) + "\n")
    return path
