"""The figures that users see, beside those of the GPT-2 in NumPy.

The bounds are explained in test_reference.py: llama.cpp's GELU and its cache round to 16-bit
floats, and products with quantized matrices round the other factor to 8 bits.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import (
    Context,
    Evaluator,
    FeatureExtractor,
    GenerationOptions,
    Model,
    Scorer,
    measure,
    observe_next,
    sliding,
)
from distilgpt2_cli.models import demo
from tests.support import gguf
from tests.support.differences import relative
from tests.support.extent import ALL_CASES
from tests.support.numpy_gpt2 import ReferenceGPT2, log_softmax

OF_FLOATS, OF_QUANTIZED = 2e-3, 0.04
MOST_TOKENS = 1024 if ALL_CASES else 150  # in the window of the demo model, which has room for 512
OF_MEANS = 1e-4  # on 32-bit floats; the errors of single tokens have either sign
TEXT = (
    "It was a dark and stormy night; the rain fell in torrents, except at intervals. "
    "東京 🌧 for (i = 0; i < 3) Der Wind strich "
)
Agree = Callable[[str, float, float], None]


class Subject:
    """A model file, with what is different about its figures."""

    def __init__(self, name: str, path: Path) -> None:
        """Open it."""
        floats = name == "F32"
        self.name = name
        self.model = Model(path)
        self.reference = ReferenceGPT2.from_file(path)
        self.bound = OF_FLOATS if floats else OF_QUANTIZED
        self.bound_of_means = OF_MEANS if floats else OF_FLOATS
        self.tokens = self.model.tokenize(TEXT * 8)[: min(self.model.window, MOST_TOKENS)]


@pytest.fixture(scope="module", params=["F32", "Q8_0", "Q4_0", "demo"])
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    path = demo().path
    if request.param != "demo":
        folder = tmp_path_factory.mktemp("figures")
        path = gguf.write(
            folder / "model.gguf", gguf.Shape(tokens=5001), quantization=request.param
        )
    subject = Subject(request.param, path)
    yield subject
    subject.model.close()


def test_logits(subject: Subject, agree: Agree) -> None:
    count = len(subject.tokens)
    with Evaluator(subject.model) as evaluator:
        (ours,) = evaluator.logits(subject.tokens, count)
        expected = subject.reference.logits(subject.tokens)
        agree(f"{subject.name}: logits", relative(ours, expected).max(), subject.bound)
        difference = relative(log_softmax(ours.astype(np.float64)), log_softmax(expected)).max()
        agree(f"{subject.name}: log-probabilities", difference, subject.bound)


def test_hidden_states(subject: Subject, agree: Agree) -> None:
    expected = subject.reference.hidden_states(subject.tokens)
    with Evaluator(subject.model, hidden_states=True) as evaluator:
        for pool, values in (
            ("none", expected),
            ("mean", expected.mean(0)),
            ("last", expected[-1]),
        ):
            (ours,) = FeatureExtractor(evaluator, pool).extract([subject.tokens])  # type: ignore[arg-type]
            what = f"{subject.name}: hidden states, --pool {pool}"
            agree(what, relative(np.atleast_2d(ours), np.atleast_2d(values)).max(), subject.bound)


def test_scores(subject: Subject, agree: Agree) -> None:
    with Evaluator(subject.model) as evaluator:
        score = Scorer(evaluator).score(TEXT)
    start = subject.model.start_token
    rows = subject.reference.log_probabilities([start, *score.tokens])
    expected = rows[np.arange(len(score.tokens)), score.tokens]
    difference = np.abs(score.logprobs - expected).max() / np.abs(expected).max()
    agree(f"{subject.name}: scores", difference, subject.bound)
    difference = abs(score.logprob / expected.sum() - 1)
    agree(f"{subject.name}: log-probability of a text", difference, subject.bound_of_means)


@pytest.mark.parametrize(("part", "step"), [(1, 2), (2, 1), (4, 3)])
def test_perplexities(subject: Subject, agree: Agree, part: int, step: int) -> None:
    """Windows of the whole context and of parts of it, which overlap or do not."""
    size = min(subject.model.window, 128) // part
    stride = max(size // step, 1)
    tokens = subject.model.tokenize(TEXT * 12)[:250]
    with Evaluator(subject.model, size) as evaluator:
        *_, figures = measure(evaluator, sliding(tokens, size, stride))
    scores = subject.reference.token_log_probabilities(tokens, size, stride)
    assert figures.tokens == len(scores)
    difference = abs(figures.mean_logprob / scores.mean() - 1)
    what = f"{subject.name}: mean log-probability, window {size}, stride {stride}"
    agree(what, difference, subject.bound_of_means)


def test_next_tokens(subject: Subject, agree: Agree) -> None:
    tokens = subject.tokens[:20]
    with Context(subject.model) as context:
        seen = observe_next(context, tokens, GenerationOptions(max_tokens=1, top_k=0), 50)
    expected = subject.reference.log_probabilities(tokens)[-1]
    ours = np.array([each.logprob for each in seen.top])
    theirs = expected[[each.id for each in seen.top]]
    difference = np.abs(ours - theirs).max() / np.abs(expected).max()
    agree(f"{subject.name}: next tokens", difference, subject.bound)
