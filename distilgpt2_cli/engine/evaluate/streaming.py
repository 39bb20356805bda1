"""The tokens of a text of any length, in little memory."""

import re
from collections.abc import Iterable, Iterator

from ..llama.model import Model

BLOCK = 2**18
"""Characters that are tokenized at once, unless something else is said."""

_CHARACTERS_A_TOKEN = 8  # more than there are in English, so that one attempt is enough

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


def last_tokens(model: Model, text: str, count: int) -> list[int]:
    """Return the last ``count`` tokens of a text, or all, without tokenizing much more than them.

    They are those of the whole text as far as `stream_tokens` gives these.
    """
    characters = _CHARACTERS_A_TOKEN * count
    while characters < len(text):
        end = text[-characters:]
        cut = next((found.start() for place in _ENDS if (found := place.search(end, 1))), None)
        if cut is not None:
            tokens = model.tokenize(end[cut:])
            # More than needed: the first may be a start token, which stands before every text.
            if len(tokens) > count:
                return tokens[-count:]
        characters *= 2
    return model.tokenize(text)[-count:]


def _block_end(text: str, block: int) -> int:
    for pattern in _ENDS:
        places = [match.start() for match in pattern.finditer(text, 1, block)]
        if places:
            return places[-1]
    return block
