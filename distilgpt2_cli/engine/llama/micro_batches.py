"""How tokens are given to flash attention so that no result depends on the number of threads.

llama.cpp computes micro-batches of at most 512 tokens. For one of a single token that attends to
512 cells or more, ggml divides the cells among the threads and adds up what each has found
(``use_split_kv_path`` in ggml-cpu/ops.cpp): there, and only there, the sums depend on how many
threads there are. So such a token is never computed alone. The last two tokens of such a text are
a call of their own; beside a sequence that grows by itself, a neighbour is given a token that it
forgets again. tests/engine/llama/test_micro_batches.py shows that this is enough.
"""

from collections.abc import Callable, Iterator, Sequence

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


def companions(sequences: Sequence[int], count: int, is_long: Callable[[int], bool]) -> list[int]:
    """Return sequences to evaluate a token of too, so that no long sequence is computed alone.

    llama.cpp puts only sequences with successive numbers in one micro-batch.

    Args:
        sequences: the numbers of those that a step adds a token to, in increasing order.
        count: how many sequences there are, at least two.
        is_long: whether a sequence holds `FIRST_SPLIT_POSITION` tokens.
    """
    added: list[int] = []
    for before, sequence, after in zip(
        (-2, *sequences), sequences, (*sequences[1:], count + 1), strict=False
    ):
        neighbours = sequence - before == 1 or after - sequence == 1 or sequence - 1 in added[-1:]
        if not neighbours and is_long(sequence):
            added.append(sequence + 1 if sequence + 1 < count else sequence - 1)
    return added
