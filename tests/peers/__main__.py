"""``make peers``: the same files in llama.cpp, in transformers on PyTorch, and in NumPy.

One line for each file and figure: the largest difference between each two of them, as
`tests.support.differences` defines it.
"""

import platform
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from distilgpt2_cli.engine import GenerationOptions, Model, open_generator
from distilgpt2_cli.engine.llama.bindings import features
from distilgpt2_cli.models import demo
from tests.peers.beams import beams_lines
from tests.peers.inside import inside_lines
from tests.peers.texts import ODDITIES, SCRIPTS, random_texts
from tests.peers.transformers_peer import TransformersPeer
from tests.peers.words import words_lines
from tests.support import gguf, raw_llama
from tests.support.differences import Rows, relative
from tests.support.gguf_tensors import Array
from tests.support.numpy_gpt2 import ReferenceGPT2, log_softmax

RANDOM_TEXTS = 5000
GREEDY_TOKENS = 50
BEAM_PROMPTS = 1
PROMPTS = ("Once upon a time", "The rain", "In 1969", "def f(x):", "Всю ночь шёл", "雨が")
TEXT = " ".join(SCRIPTS) * 4


class File(NamedTuple):
    """A model, and what to call it."""

    name: str
    path: Path


def files(folder: Path) -> Iterator[File]:
    """Yield every model, made when it is its turn."""
    yield File("2 layers, width 64, F32", gguf.write(folder / "tiny.gguf"))
    whole = gguf.write(folder / "F32.gguf", gguf.DISTILGPT2)
    yield File("DistilGPT2's shape, F32", whole)
    for quantization in ("Q8_0", "Q4_0", "Q4_K_M"):
        path = folder / f"{quantization}.gguf"
        gguf.quantize(whole, path, quantization)
        yield File(f"DistilGPT2's shape, {quantization}", path)
        path.unlink()
    yield File("demo, F32", gguf.dequantize(demo().path, folder / "demo.gguf"))
    yield File("demo, Q4_0", demo().path)


def tokens_line(model: Model, peer: TransformersPeer) -> str:
    """Compare the tokens of all texts."""
    texts = (*SCRIPTS, *ODDITIES, *random_texts(RANDOM_TEXTS))
    others = [text for text in texts if model.tokenize(text) != peer.tokens(text)]
    shown = f", first {others[0]!r}" if others else ""
    return f"tokens: other ones in {len(others)} of {len(texts)} texts{shown}"


def number_lines(path: Path, tokens: Sequence[int], peer: TransformersPeer) -> Iterator[str]:
    """Compare logits, log-probabilities, hidden states and perplexities of a text."""
    with raw_llama.loaded(path) as model:
        ours = model.evaluate(tokens)
    theirs = peer.evaluate(tokens)
    reference = ReferenceGPT2.from_file(path)
    logits = (ours.logits, theirs.logits, reference.logits(tokens))
    yield _largest("logits", *logits)
    log_probabilities = [log_softmax(np.asarray(rows, np.float64)) for rows in logits]
    yield _largest("log-probabilities", *log_probabilities)
    states = reference.hidden_states(tokens)
    yield _largest("hidden states", ours.hidden_states, theirs.hidden_states, states)
    perplexities = [np.array([[_perplexity(rows, tokens)]]) for rows in log_probabilities]
    yield _largest("perplexity", *perplexities)


def _largest(what: str, ours: Rows, theirs: Rows, reference: Rows) -> str:
    pairs = {
        "llama.cpp to transformers": relative(ours, theirs),
        "llama.cpp to NumPy": relative(ours, reference),
        "transformers to NumPy": relative(theirs, reference),
    }
    return f"{what}: " + ", ".join(f"{pair} {rows.max():.1e}" for pair, rows in pairs.items())


def _perplexity(log_probabilities: Array, tokens: Sequence[int]) -> float:
    scores = np.take_along_axis(log_probabilities[:-1], np.array(tokens)[1:, None], 1)
    return float(np.exp(-scores.mean()))


def greedy_line(path: Path, prompts: Sequence[Sequence[int]], peer: TransformersPeer) -> str:
    """Compare the most likely continuations; where they part, tell how near the choice was."""
    options = GenerationOptions(max_tokens=GREEDY_TOKENS, temperature=0)
    margins = []
    with open_generator(path, options) as generator:
        for prompt in prompts:
            ours = [token.id for token in generator.complete(prompt, 0)]
            theirs = peer.continue_greedily(prompt, GREEDY_TOKENS)
            if peer.text(ours) != peer.text(theirs):
                margins.append(_margin(prompt, ours, theirs, peer))
    line = f"greedy text of {GREEDY_TOKENS} tokens: the same for {len(prompts) - len(margins)} "
    line += f"of {len(prompts)} prompts"
    if margins:
        line += f", else the logits of the two tokens are at most {max(margins):.1e} apart"
    return line


def _margin(
    prompt: Sequence[int], ours: Sequence[int], theirs: Sequence[int], peer: TransformersPeer
) -> float:
    """Return how far apart, by the largest logit, the first two different tokens are."""
    index = next(i for i, pair in enumerate(zip(ours, theirs, strict=False)) if len({*pair}) > 1)
    row = peer.evaluate([*prompt, *ours[:index]]).logits[-1]
    return float(abs(row[ours[index]] - row[theirs[index]]) / np.abs(row).max())


def lines(path: Path) -> Iterator[str]:
    """Yield every line of a file."""
    peer = TransformersPeer(path)
    with Model(path) as model:
        yield tokens_line(model, peer)
        tokens = model.tokenize(TEXT)[: model.window]
        assert len(tokens) == model.window
        prompts = [model.tokenize(prompt) for prompt in PROMPTS]
    yield from number_lines(path, tokens, peer)
    yield from inside_lines(path, tokens, peer)
    yield greedy_line(path, prompts, peer)
    yield from beams_lines(path, prompts[:BEAM_PROMPTS], peer)
    yield from words_lines(path, peer)


def main() -> None:
    """Compare all files."""
    packages = (
        *("transformers", "torch", "numpy", "llama-cpp-python", "tokenizers"),
        *("minicons", "surprisal"),
    )
    print(", ".join(f"{name} {version(name)}" for name in packages))
    print(f"{platform.platform()}, {features()}")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files(Path(folder)):
            for line in lines(path):
                print(f"{name}: {line}", flush=True)


if __name__ == "__main__":
    main()
