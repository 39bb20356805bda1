"""The tokens of a text of any length, in little memory."""

import re
from collections.abc import Iterable, Iterator

from .model import Model

BLOCK = 2**18
"""Characters that are tokenized at once, unless something else is said."""

# A block ends before the white space after a word: byte-level BPE never has a token across such a
# place. In writing without such places it ends before any white space; without that, anywhere.
_ENDS = (re.compile(r"(?<=\w)(?=\s)"), re.compile(r"(?<=\S)(?=\s)"))


def stream_tokens(
    model: Model, parts: Iterable[str], *, parse_special: bool = False, block: int = BLOCK
) -> Iterator[int]:
    """Yield the tokens of a text that comes in parts: those of the whole text, as it comes.

    That holds for GPT-2 and its like. Where a text has no white space within a block, or the
    tokenizer does not split at it, a token may be cut in two there.

    Args:
        model: whose tokens they are.
        parts: the text; bytes that are not UTF-8 are lone surrogates, as Python keeps them.
        parse_special: take ``<|endoftext|>`` and its like for the tokens of that name.
        block: characters that are tokenized at once.

    Raises:
        UsageError: the model has no token for a byte that is not UTF-8.
    """

    def tokens_of(block: str) -> list[int]:
        data = block.encode(errors="surrogateescape")
        return model.tokenize_bytes(data, parse_special=parse_special)

    text = ""
    for part in parts:
        text += part
        while len(text) > 2 * block:
            end = _block_end(text, block)
            yield from tokens_of(text[:end])
            text = text[end:]
    yield from tokens_of(text)


def _block_end(text: str, block: int) -> int:
    for pattern in _ENDS:
        places = [match.start() for match in pattern.finditer(text, 1, block)]
        if places:
            return places[-1]
    return block
