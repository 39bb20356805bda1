"""The surprisal of words, whose ends are part of their probability.

The tokens of GPT-2 and its like begin with the space before a word, so that the end of a word is
only known by the token after it. The probability that a word ends there is taken from that token
and given to the word (Pimentel and Meister, 2024, https://arxiv.org/abs/2406.14561; Oh and
Schuler, 2024, https://arxiv.org/abs/2406.10851).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from ...errors import UsageError
from ..llama.model import Model
from .places import Places, Wanted, joined
from .probabilities import Logprobs

_SPACE, _WHITE = range(2)  # the sets of tokens that begin with a space, and with any white space
_ASCII_WHITE = frozenset(bytes([byte]) for byte in b" \t\n\r\v\f")
_PART = 1024  # tokens
_WORD = re.compile(r"\S+")


class Span(NamedTuple):
    """A part of a text, in characters: from ``start`` to before ``end``."""

    start: int
    end: int


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        tokens: how many it has; none if it begins and ends within a token of the word before it.
        logprob: of the word, in nats; None without a token, as all that follows.
        rank: of its first token.
        entropy: of the distribution that its first token comes from, in nats.
        context: how many tokens the model has seen before it.
    """

    tokens: int
    logprob: float | None = None
    rank: int | None = None
    entropy: float | None = None
    context: int | None = None


class Part(NamedTuple):
    """Tokens of a text: all of them, or some of a long one.

    Attributes:
        tokens: the tokens.
        places: of the tokens, and of the place after the last one.
        goes_on: whether there is text before, so that the end of what stands there is not part of
            the first word.
        next_token: the one after them; None at the end of the text.
    """

    tokens: Sequence[int]
    places: Places
    goes_on: bool
    next_token: int | None = None


def parts_of(
    model: Model, stream: Iterable[tuple[Sequence[int], Places]], *, goes_on: bool
) -> Iterator[tuple[str, Part]]:
    """Yield a text of any size in parts, each with what its tokens spell, cut before some word.

    Args:
        model: whose tokens they are.
        stream: tokens with their places, as `stream_places` yields them; the last one stands for
            the place after the text.
        goes_on: whether there is text before.
    """
    tokens: list[int] = []
    held: list[Places] = []
    for more, places in stream:
        tokens += more
        held.append(places)
        cut = _last_cut(model, tokens) if len(tokens) >= _PART else 0
        if cut:
            known = joined(held)
            text = _spelled(model, tokens[:cut])
            yield text, Part(tokens[:cut], known.at(slice(cut + 1)), goes_on, tokens[cut])
            tokens, held, goes_on = tokens[cut:], [known.at(slice(cut, None))], True
    if held:
        yield _spelled(model, tokens[:-1]), Part(tokens[:-1], joined(held), goes_on)


def _last_cut(model: Model, tokens: Sequence[int]) -> int:
    """Return the last token, but for the first, that begins with white space after none; or 0."""
    for place in range(len(tokens) - 1, 0, -1):
        before, own = model.piece(tokens[place - 1]), model.piece(tokens[place])
        if own[:1] in _ASCII_WHITE and before[-1:] not in _ASCII_WHITE:
            return place
    return 0


def _spelled(model: Model, tokens: Sequence[int]) -> str:
    return b"".join(map(model.piece, tokens)).decode(errors="replace")


def words_in(text: str) -> list[Span]:
    """Return the words of a text: what stands between white space."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


class WordScorer:
    """Makes the figures of words out of those of tokens.

    Attributes:
        wanted: what must be known of the places of a text for that.
    """

    def __init__(self, model: Model, *, plain: bool = False) -> None:
        """Look at the vocabulary.

        Args:
            model: whose tokens these are.
            plain: the log-probability of a word is the sum of its tokens', and says nothing of
                its end.

        Raises:
            UsageError: no token begins with a space, so that nothing is known of a word's end.
        """
        self._model = model
        self._plain = plain
        pieces = [model.piece(token) for token in range(model.vocabulary_size)]
        spaces = np.array([piece.startswith(b" ") for piece in pieces])
        white = np.array([piece.decode(errors="ignore")[:1].isspace() for piece in pieces])
        if not (plain or spaces.any()):
            raise UsageError(
                "No token of this model begins with a space, so the end of a word has no"
                " probability.",
                "Use the plain sum of the tokens.",
            )
        self._space_token = int(spaces.argmax())  # at the end of a text, as before another word
        self.wanted = Wanted(np.stack([spaces, white], axis=1).astype(np.float32))

    def words(self, text: str, spans: Sequence[Span], part: Part) -> list[Word]:
        """Return the figures of words.

        White space belongs to the word after it, and a token in two words to the first of them.

        Args:
            text: what the tokens of the part spell.
            spans: of the words in the text, in order and without overlap.
            part: the text's tokens.
        """
        places = part.places
        firsts = self._first_tokens(text, spans, part.tokens)
        ends = self._ends(part)
        sums = np.concatenate([[0], np.cumsum(places.logprobs[: len(part.tokens)])])
        found = []
        for first, after in pairwise(firsts):
            if first == after:
                found.append(Word(0))
                continue
            logprob = sums[after] - sums[first] + ends[after] - ends[first]
            found.append(
                Word(
                    after - first,
                    float(logprob),
                    int(places.ranks[first]),
                    float(places.entropies[first]),
                    int(places.contexts[first]),
                )
            )
        return found

    def _first_tokens(
        self, text: str, spans: Sequence[Span], tokens: Sequence[int]
    ) -> Sequence[int]:
        """Return the number of the first token of each word, and of the one after the last word."""
        sizes = (len(self._model.piece(token)) for token in tokens)
        starts = list(accumulate(sizes, initial=0))[:-1]
        ends = _byte_ends(text, spans)
        owners = np.searchsorted(ends, starts, side="right")
        firsts: list[int] = np.searchsorted(owners, np.arange(len(spans) + 1)).tolist()
        return firsts

    def _ends(self, part: Part) -> Logprobs:
        """Return how likely a word ends before each token and after the last one, in nats.

        It is 0, which is no correction, where the next token does not begin with white space.
        """
        shares = part.places.shares
        ends = np.zeros(len(shares))
        if self._plain:
            return ends
        after = self._space_token if part.next_token is None else part.next_token
        sets = self.wanted.sets[[*part.tokens, after]] > 0
        for each in (_WHITE, _SPACE):
            ends = np.where(sets[:, each], shares[:, each], ends)
        if not part.goes_on:
            ends[0] = 0
        return ends


def _byte_ends(text: str, spans: Sequence[Span]) -> Sequence[int]:
    """Return where words end, in bytes of UTF-8."""
    ends, place, size = [], 0, 0
    for span in spans:
        size += len(text[place : span.end].encode())
        place = span.end
        ends.append(size)
    return ends
