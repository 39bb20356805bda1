"""How much each column of each weight matrix matters, measured on a text.

This is the importance matrix of llama.cpp's ``llama-imatrix`` (tools/imatrix/imatrix.cpp): for each
matrix of a block, the mean square of each of its inputs, over the tokens of a text. Quantizing then
weights the error of each column with it. The sums are those of that program to the last bit:
32-bit floats, a row added after the other, the square rounded before it is added.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from ...errors import DistilError, UsageError
from ..llama.model import Model
from ..llama.nodes import MATRIX_PRODUCT, Array, Node, Observer
from ..llama.quantizing import ImportanceMatrix
from .evaluator import Evaluator
from .windows import disjoint

CHUNK = 512
"""Tokens that are evaluated together, from an empty context; fewer if the window has fewer."""

FEWEST_CHUNKS = 2
"""Of a text, as ``llama-imatrix`` wants it."""

_BLOCKS = "blk."  # with which the names of all weights in blocks begin
_EXPERT_PRODUCT = "MUL_MAT_ID"
_FEWEST_ROWS = 16  # of a product that is taken into account
_REMEDY = "Quantize it without an importance matrix."


def measure_importance(
    model: Model,
    tokens: Iterable[int],
    text: str,
    *,
    threads: int | None = None,
    advance: Callable[[int], object] = lambda _count: None,
) -> ImportanceMatrix:
    """Evaluate a text in chunks, and return how much each column of the weights matters.

    An unfinished last chunk is left out, and the first token of each is replaced by the start
    token of a model that wants one.

    Args:
        model: with 32-bit or 16-bit floats; on the CPU, so that the result is always the same.
        tokens: the text, as `stream_tokens` gives it.
        text: its name, for the file that will be quantized.
        threads: by default as many as there are cores.
        advance: takes the bytes of each chunk when it is evaluated.

    Raises:
        UsageError: the text has fewer than two chunks.
        DistilError: llama.cpp can't evaluate a chunk, or the model can't be measured so.
    """
    size = min(CHUNK, model.window)
    start = model.added_start_token
    if size < _FEWEST_ROWS:
        raise DistilError(
            f"The context window of this model has {size} tokens, too few to measure an importance"
            " matrix.",
            _REMEDY,
        )
    inputs = _Inputs()
    chunks = 0
    with Evaluator(model, size, threads, taps=inputs) as evaluator:
        # The start token before the text moves all chunks by one, as in llama-imatrix.
        for window in disjoint(chain(() if start is None else (start,), tokens), size, start):
            for _ in evaluator.logits(window.tokens, size):
                pass
            inputs.check()
            chunks += 1
            advance(sum(len(model.piece(token)) for token in window.tokens))
    if chunks < FEWEST_CHUNKS:
        raise UsageError(
            f"The text for the importance matrix has fewer than {FEWEST_CHUNKS * size} tokens.",
            "Use a longer text.",
        )
    return ImportanceMatrix(dict(inputs.means()), text, chunks)


class _Inputs(Observer):
    """Adds up the squares of what the weights of all blocks are multiplied with."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[str, Array] = {}
        self._counts: dict[str, int] = {}

    def wants(self, node: Node) -> bool:
        """Return whether it is the product of a block's weights with many rows."""
        operation = node.operation
        if operation == _EXPERT_PRODUCT:
            raise DistilError(
                "The importance matrix of a model with experts can't be measured.", _REMEDY
            )
        if operation != MATRIX_PRODUCT:
            return False
        weights, inputs = node.source(0), node.source(1)
        is_wanted = weights.name.startswith(_BLOCKS) and inputs.is_float
        return is_wanted and inputs.shape[-2] >= _FEWEST_ROWS

    def take(self, node: Node) -> None:
        """Add the squares of all rows, each to the sums of the matrix that it is for.

        Raises:
            DistilError: they are not finite.
        """
        weights, values = node.source(0), node.source(1).read()
        name, (outer, inner, *_) = weights.name, weights.shape
        sums = self._sums.setdefault(name, np.zeros((outer, inner, values.shape[-1]), np.float32))
        squares = np.square(values, order="C")
        for i in range(values.shape[0]):
            for j in range(values.shape[1]):
                place = sums[i % outer, j % inner]
                squares[i, j, 0] += place
                # Along the rows NumPy adds one after the other, as the loop in C does.
                np.add.reduce(squares[i, j], axis=0, out=place)
        if not np.isfinite(sums).all():
            raise DistilError(
                f"The inputs of {name} are not finite, so their importance can't be measured.",
                "Check the file with `distil verify`, or convert the model again.",
            )
        rows = values.shape[0] * values.shape[1] * values.shape[2] // (outer * inner)
        self._counts[name] = self._counts.get(name, 0) + rows

    def means(self) -> Iterator[tuple[str, Array]]:
        """Yield what each matrix has, in the order of their names."""
        for name in sorted(self._sums):
            yield name, self._sums[name].ravel() / np.float32(self._counts[name])
