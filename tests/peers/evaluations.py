"""How far the ways to evaluate a text are apart: ``python -m tests.peers.evaluations``.

Prints the tables of docs/accuracy.md: lines scored together and alone, scores and what a generation
computes, and the logits with flash attention and without, beside NumPy.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import Context, Evaluator, Model, Scorer
from distilgpt2_cli.engine.evaluate.probabilities import log_softmax
from distilgpt2_cli.models import demo
from tests.support import gguf, raw_llama
from tests.support.differences import relative
from tests.support.numpy_gpt2 import ReferenceGPT2
from tests.support.trained import trained_model

TEXT = Path(__file__).parents[2] / "docs" / "demo-model.md"
LINES, PARALLEL = 48, 16
GENERATED, PROMPT_TOKENS = 12, 4
LENGTHS = (40, 300)


def lines() -> list[str]:
    """Return lines of writing, none of them empty."""
    return [line for line in TEXT.read_text().splitlines() if line.strip()][:LINES]


def together_row(name: str, model: Model) -> str:
    """Compare lines that are scored together with the same ones alone."""
    with Evaluator(model, None, sequences=PARALLEL) as evaluator:
        scorer = Scorer(evaluator)
        texts = [scorer.tokens(line) for line in lines()]
        groups = [texts[start : start + PARALLEL] for start in range(0, LINES, PARALLEL)]
        together = [score for group in groups for score in scorer.score_together(group)]
        alone = [score for text in texts for score in scorer.score_together([text])]
    pairs = list(zip(together, alone, strict=True))
    same = sum(ours.logprob == theirs.logprob for ours, theirs in pairs)
    token = max(abs(ours.logprobs - theirs.logprobs).max() for ours, theirs in pairs)
    text = max(abs(ours.perplexity / theirs.perplexity - 1) for ours, theirs in pairs)
    return f"| {name} | {same} | {token:.2g} | {text:.2%} |"


def generated_row(name: str, model: Model) -> str:
    """Compare the score of each token with its probability in a generation."""
    differences: list[float] = []
    with Context(model, 512) as context, Evaluator(model, 512) as evaluator:
        for line in lines()[:GENERATED]:
            tokens = [model.start_token, *model.tokenize_bytes(line.encode())]
            (rows,) = evaluator.logits(tokens, len(tokens))
            scores = log_softmax(rows.astype(np.float64))
            context.rewind(0)
            context.evaluate(tokens[:PROMPT_TOKENS])
            for place, token in enumerate(tokens[PROMPT_TOKENS:], PROMPT_TOKENS):
                drawn_from = log_softmax(np.array(context.copy_logits(), np.float64))
                differences.append(abs(drawn_from[token] - scores[place - 1, token]))
                context.step([token])
    largest, median = max(differences), statistics.median(differences)
    return f"| {name} | {largest:.2g} | {median:.2g} | {len(differences)} |"


def reference_rows(name: str, path: Path, model: Model) -> Iterator[str]:
    """Compare the logits with and without flash attention with NumPy's."""
    reference = ReferenceGPT2.from_file(path)
    for length in LENGTHS:
        tokens: Sequence[int] = model.tokenize(TEXT.read_text())[:length]
        exact = reference.logits(tokens)
        with Evaluator(model, length) as evaluator:
            (rows,) = evaluator.logits(tokens, length)
            flash = relative(rows, exact).max()
        with raw_llama.loaded(path) as raw:
            plain = relative(raw.evaluate(tokens).logits, exact).max()
        yield f"| {name} | {length} | {flash:.2g} | {plain:.2g} |"


def main() -> None:
    """Print the three tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shaped = {
            f"DistilGPT2's shape, random weights, {kind}": gguf.write(
                folder / f"{kind}.gguf", gguf.DISTILGPT2, quantization=kind
            )
            for kind in ("F32", "Q8_0", "Q4_K_M")
        }
        files = {"demo, Q4_0": demo().path, **shaped}
        of_gpt2 = dict(files)
        files["SmolLM2-135M-Instruct, Q4_1"] = trained_model()
        print("file | lines exactly the same | largest of a token | of a line's perplexity")
        for file, path in files.items():
            with Model(path) as model:
                print(together_row(file, model), flush=True)
        print("file | largest difference | median | tokens")
        for file, path in files.items():
            with Model(path) as model:
                print(generated_row(file, model), flush=True)
        print("file | tokens | with flash attention | without")
        for file, path in of_gpt2.items():
            with Model(path) as model:
                for row in reference_rows(file, path, model):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
