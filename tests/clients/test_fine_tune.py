"""The page `docs/fine-tune.md`: from texts to a model in a pipe, with a tiny base model."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support import checkpoints
from tests.support.gguf import Shape
from tests.support.run import run

for module in ("torch", "transformers", "peft"):
    pytest.importorskip(module, reason=f"{module} is not installed: make peers installs it")

PAGE = Path("docs/fine-tune.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
LINE = "To be, or not to be, that is the question.\n"
MODEL_LINE = "model = AutoModelForCausalLM.from_pretrained(base)\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return checkpoints.write(tmp_path / "base", Shape(tokens=1001, context=64))


def train(code: str, base: Path, out: Path, env: dict[str, str]) -> list[float]:
    """Run the page's script, and return the loss of each epoch."""
    texts = base.parent / "texts"
    texts.mkdir()
    (texts / "one.txt").write_text(LINE * 400)
    script = base.parent / "train.py"
    script.write_text(code)
    command = [sys.executable, str(script), str(texts), str(out), str(base)]
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return [float(loss) for loss in re.findall(r"loss ([\d.]+)", result.stdout)]


def test_from_texts_to_a_model(base: Path, env: dict[str, str]) -> None:
    losses = train(CODE[0].replace("5e-5", "3e-3"), base, base.parent / "poet", env)
    assert losses[-1] < losses[0]
    held_out = base.parent / "held-out.txt"
    held_out.write_text(LINE * 30)
    assert run("import", str(base.parent / "poet"), "--quant", "F16", env=env).returncode == 0
    commands = re.search(r"^distil quantize poet (.*)$", PAGE, re.MULTILINE)
    assert commands
    arguments = commands[1].replace("held-out.txt", str(held_out))
    arguments = arguments.replace("texts/one.txt", str(base.parent / "texts" / "one.txt"))
    compared = run("quantize", "poet", *arguments.split(), env=env)
    assert compared.returncode == ExitStatus.DONE, compared.stderr
    assert b"PERPLEXITY" in compared.stdout
    result = run(
        *("generate", "--model", "poet", "--quant", "Q4_K_M", "--max-tokens", "9"),
        env=env,
        stdin=b"To be",
    )
    assert result.returncode == ExitStatus.DONE
    assert result.stdout.strip()


def test_an_adapter(base: Path, env: dict[str, str]) -> None:
    code = CODE[0].replace("5e-5", "1e-2").replace(MODEL_LINE, MODEL_LINE + CODE[1])
    losses = train(code, base, base.parent / "rhymes", env)
    assert losses[-1] < losses[0]
    for each in (base, base.parent / "rhymes"):
        assert run("import", str(each), env=env).returncode == ExitStatus.DONE
    arguments = ("--model", "base", "--seed", "1", "--max-tokens", "9", "To be")
    plain = run("generate", *arguments, env=env).stdout
    adapted = run("generate", "--lora", "rhymes", *arguments, env=env)
    assert adapted.returncode == ExitStatus.DONE, adapted.stderr
    assert adapted.stdout != plain
