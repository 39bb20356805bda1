"""``distil generate`` on files that are no whole model: status 4, and the reason in a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gguf import GGUFWriter

from tests.support import gguf as models
from tests.support.extent import cases
from tests.support.gguf_copy import copy_with_number, copy_with_text
from tests.support.run import DISTIL, TIMEOUT, run

SHAPE = models.Shape(tokens=5001)


def refused(env: dict[str, str], path: Path) -> str:
    result = run("generate", "-m", str(path), "--seed", "1", "Hello", env=env)
    assert (result.returncode, result.stdout) == (4, b"")
    errors = result.stderr.decode()
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "failed to read magic"),
        (b"GGUF", "failed to read"),
        (b"Hello, I am a text file.\n" * 100, "invalid magic"),
        (b"PK\x03\x04" + bytes(1000), "invalid magic"),
    ],
)
def test_what_is_no_model(env: dict[str, str], tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(content)
    assert reason in refused(env, path)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.99])
def test_a_truncated_file(env: dict[str, str], tmp_path: Path, tiny: Path, part: float) -> None:
    content = tiny.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(content[: int(part * len(content))])
    refused(env, path)


@pytest.mark.parametrize("layers", [0, 32768, 2**32 - 1])
def test_a_number_that_llama_cpp_would_abort_on(
    env: dict[str, str], tmp_path: Path, tiny: Path, layers: int
) -> None:
    path = copy_with_number(tiny, tmp_path / "layers.gguf", "gpt2.block_count", layers)
    assert "gave up on the model: its check `hparams.n_layer" in refused(env, path)


@pytest.mark.parametrize("tokens", cases([0, 2**31], [2**32 - 1]))
def test_a_context_that_can_t_be(
    env: dict[str, str], tmp_path: Path, trained: Path, tokens: int
) -> None:
    path = copy_with_number(trained, tmp_path / "context.gguf", "llama.context_length", tokens)
    assert f"says that it needs a context of {tokens} tokens" in refused(env, path)


@pytest.mark.parametrize("tokens", [0, 127, 129, 2**31])
def test_a_context_that_is_not_the_one_of_the_weights(
    env: dict[str, str], tmp_path: Path, tiny: Path, tokens: int
) -> None:
    path = copy_with_number(tiny, tmp_path / "context.gguf", "gpt2.context_length", tokens)
    assert "'position_embd.weight' has wrong shape" in refused(env, path)


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_the_smallest_contexts(env: dict[str, str], tmp_path: Path, tokens: int) -> None:
    path = models.write(tmp_path / "small.gguf", models.Shape(context=tokens, tokens=5001))
    options = ("--seed", "1", "--max-tokens", "5", "--json", "--quiet")
    result = run("generate", "-m", str(path), *options, "Hello you", env=env)
    assert json.loads(result.stdout)["tokens"]["completion"] == 5


def test_a_context_for_which_there_is_no_memory(env: dict[str, str], trained: Path) -> None:
    """64 windows of this model take 11 GiB, and the process may have less."""
    options = ("--lines", "--parallel", "64", "--max-tokens", "1")
    command = [*DISTIL, "generate", "-m", str(trained), *options]
    limit = ["sh", "-c", 'ulimit -v 4000000 && exec "$@"', "sh"]
    result = subprocess.run([*limit, *command], env=env, input=b"Hi\n", capture_output=True)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"Error: llama.cpp can't make a context of 524288 tokens: ")
    assert result.stderr.count(b"\n") == 1


def test_a_model_that_sees_the_future(env: dict[str, str], tmp_path: Path) -> None:
    """As BERT does. The key stands at the end, where a reader must look for it."""
    path = models.write(
        tmp_path / "future.gguf", SHAPE, add=lambda writer: writer.add_causal_attention(False)
    )
    assert "is not a causal language model" in refused(env, path)


def test_a_model_without_a_vocabulary(env: dict[str, str], tmp_path: Path) -> None:
    def say_so(writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("no_vocab")
        writer.add_vocab_size(SHAPE.tokens)

    path = models.write(tmp_path / "said.gguf", SHAPE, without=("tokenizer.",), add=say_so)
    assert "has no vocabulary, so it can't read or write text" in refused(env, path)


def test_tokenizers_that_fail(env: dict[str, str], tmp_path: Path, tiny: Path) -> None:
    """They were converted with a vocabulary that is not theirs."""
    key = "tokenizer.ggml.model"
    rwkv = copy_with_text(tiny, tmp_path / "rwkv.gguf", key, "rwkv")
    assert "rwkv.gguf has a tokenizer that fails for some texts." in refused(env, rwkv)
    llama = models.write(
        tmp_path / "llama.gguf",
        SHAPE,
        without=(key,),
        add=lambda writer: writer.add_tokenizer_model("llama"),
    )
    assert "llama.gguf has a tokenizer that fails for some texts." in refused(env, llama)


def test_an_unknown_pre_tokenizer(env: dict[str, str], tmp_path: Path, bundled: Path) -> None:
    path = copy_with_text(bundled, tmp_path / "new.gguf", "tokenizer.ggml.pre", "ab-12")
    error = refused(env, path)
    assert "unknown pre-tokenizer type: 'ab-12'. Update llama-cpp-python" in error


def test_no_memory_for_the_file(env: dict[str, str], trained: Path) -> None:
    """It is not damaged, and downloading it again would not help."""
    command = [*DISTIL, "generate", "-m", str(trained), "Hello"]
    limit = ["sh", "-c", 'ulimit -v 260000 && exec "$@"', "sh"]
    result = subprocess.run([*limit, *command], env=env, capture_output=True)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"Error: There is not enough memory to load ")
    assert b"Close other programs, or use a smaller model.\n" in result.stderr


def test_files_damaged_at_random() -> None:
    """A part of ``make fuzz``; see there."""
    command = [sys.executable, "-m", "tests.fuzz.damaged_models", "10", "12345"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith("files mutated: 10 ")
