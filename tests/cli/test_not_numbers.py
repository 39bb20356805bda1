"""Models whose weights are damaged so that what they compute is no number, or beyond all bounds."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support import gguf
from tests.support.run import run

COMMANDS = (
    ("generate", "--seed", "1", "--max-tokens", "3"),
    ("generate", "--json", "--logprobs", "2", "--seed", "1", "--max-tokens", "3"),
    ("next",),
    ("next", "--json"),
    ("score",),
    ("score", "--json"),
    ("features", "--pool", "mean"),
    ("features", "--json"),
    ("lens",),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("numbers")


def model(folder: Path, value: float) -> Path:
    """Return a model whose last layer norm multiplies with this."""
    path = folder / f"{value}.gguf"
    if not path.exists():
        gguf.write(path, gguf.Shape(tokens=5001), final_scale=value)
    return path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number(
    env: dict[str, str], folder: Path, command: tuple[str, ...], value: float
) -> None:
    result = run(*command, "-m", str(model(folder, value)), "Hello there", env=env)
    assert (result.returncode, result.stdout) == (4, b"")
    assert result.stderr.startswith(
        b"Error: The model's output is not a number: its weights are damaged."
    )
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_perplexity_of_what_is_no_number(env: dict[str, str], folder: Path, value: float) -> None:
    text = folder / "text.txt"
    text.write_text("Hello there, you all.")
    result = run("perplexity", "--quiet", "-m", str(model(folder, value)), str(text), env=env)
    assert (result.returncode, result.stdout) == (4, b"")


@pytest.mark.parametrize("url", ["/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("parallel", ["1", "2"])
def test_a_batch_file(env: dict[str, str], folder: Path, url: str, parallel: str) -> None:
    """No request could be answered: the run ends, and says why once."""
    body = {"prompt" if "completions" in url else "input": "Hello there"}
    requests = [{"custom_id": str(i), "method": "POST", "url": url, "body": body} for i in range(3)]
    command = ("batch", "-m", str(model(folder, np.nan)), "--parallel", parallel, "-")
    result = run(*command, env=env, stdin="\n".join(map(json.dumps, requests)).encode())
    assert (result.returncode, result.stdout) == (4, b"")
    assert result.stderr.startswith(b"Error: The model's output is not a number")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_beyond_all_bounds(
    env: dict[str, str], folder: Path, command: tuple[str, ...]
) -> None:
    result = run(*command, "-m", str(model(folder, 1e30)), "Hello there", env=env)
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_perplexity_beyond_all_bounds(env: dict[str, str], folder: Path) -> None:
    path = str(model(folder, 1e30))
    assert b"perplexity      inf" in run("score", "-m", path, "Hello there", env=env).stdout
    text = folder / "text.txt"
    text.write_text("Hello there, you all.")
    for command in (("score", "Hello there"), ("perplexity", "--quiet", str(text))):
        record = json.loads(run(*command, "--json", "-m", path, env=env).stdout)
        assert record["perplexity"] is None
        assert record["mean_logprob"] < -1e20
    table = run("perplexity", "--quiet", "-m", path, "-m", path, str(text), env=env)
    assert b"inf" in table.stdout


@pytest.mark.parametrize(("value", "status"), [(np.nan, 4), (np.inf, 4), (1e30, 0)])
def test_a_probe(env: dict[str, str], folder: Path, value: float, status: int) -> None:
    page = folder / "report.html"
    path = str(model(folder, value))
    pairs = b'{"more": "Hello there", "less": "Hello you"}\n'
    for command, stdin in (
        (("{Hello|Hi} there", "-n", "3", "--max-tokens", "3", "--continuation", " you"), b""),
        (("--pairs", "-"), pairs),
    ):
        options = ("--json", "--force", "--html", str(page), "--seed", "1")
        result = run("probe", "-m", path, *options, *command, env=env, stdin=stdin)
        assert result.returncode == status, result.stderr
        assert page.exists() == (status == 0)
        assert (b"not a number" in result.stderr) == (status != 0)
    page.unlink(missing_ok=True)
