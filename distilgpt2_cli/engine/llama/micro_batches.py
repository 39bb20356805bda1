"""How tokens are given to flash attention so that no result depends on the number of threads.

llama.cpp computes micro-batches of at most 512 tokens. For one of a single token that attends to
512 cells or more, ggml divides the cells among the threads and adds up what each has found
(``use_split_kv_path`` in ggml-cpu/ops.cpp): there, and only there, the sums depend on how many
threads there are. So such a token is never computed alone. In a text, the last two tokens of such
a text are a call of their own; in a sequence that grows by itself, the token before it is
evaluated again with it. tests/engine/llama/test_micro_batches.py shows that this is enough.
"""

from collections.abc import Iterator, Sequence

PHYSICAL_BATCH = 512
"""Tokens of a micro-batch. The logits depend on where a text is cut, so this never changes."""

FIRST_SPLIT_POSITION = 256
"""Where a single token attends to 512 cells, of which llama.cpp counts 256 at a time."""


def parts(count: int, most: int) -> Iterator[slice]:
    """Yield the parts of so many tokens, one for each call of ``llama_decode``.

    No micro-batch of theirs has a single token, unless that is all there is.

    Args:
        count: the tokens of all parts together.
        most: of one part; a multiple of `PHYSICAL_BATCH`, or no less than ``count``.
    """
    end = count - 2 if count > 1 and count % PHYSICAL_BATCH == 1 else count
    for start in range(0, end, most):
        yield slice(start, min(start + most, end))
    if end < count:
        yield slice(end, count)


def has_neighbour(sequences: Sequence[int], index: int) -> bool:
    """Return whether a sequence of a step is computed with another one.

    llama.cpp puts only sequences with successive numbers in one micro-batch.
    """
    number = sequences[index]
    return (index > 0 and sequences[index - 1] == number - 1) or (
        index + 1 < len(sequences) and sequences[index + 1] == number + 1
    )
