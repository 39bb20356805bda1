"""Tokens that must not come next: those that would complete a banned text, or repeat an n-gram."""

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from .llama.model import Model
from .options import GenerationOptions

Tokens = NDArray[np.int32]
_NONE: Tokens = np.array([], np.int32)


class BannedTexts:
    """The tokens of a vocabulary that complete banned texts, for any number of completions.

    Attributes:
        texts: what is banned.
        longest: bytes of the longest beginning of a text that more can complete.
    """

    def __init__(self, model: Model, texts: Sequence[str]) -> None:
        """Find the tokens."""
        self.texts = tuple(texts)
        pieces = [model.piece(token) for token in range(model.vocabulary_size)]
        banned = [text.encode() for text in texts]
        self._always = _where(pieces, lambda piece: any(text in piece for text in banned))
        self._after: dict[bytes, list[Tokens]] = {}
        for text in banned:
            for cut in range(1, len(text)):
                begun, rest = text[:cut], text[cut:]
                self._after.setdefault(begun, []).append(
                    _where(pieces, lambda piece, rest=rest: piece.startswith(rest))  # type: ignore[misc]
                )
        self.longest = max(map(len, self._after), default=0)

    def after(self, end: bytes) -> Tokens:
        """Return the tokens that would complete a text after bytes with this end."""
        found = [
            tokens for begun in self._after if end.endswith(begun) for tokens in self._after[begun]
        ]
        return np.concatenate([self._always, *found])


class Bans:
    """The tokens that must not come next in one completion."""

    def __init__(
        self,
        model: Model,
        prompt: Sequence[int],
        options: GenerationOptions,
        texts: BannedTexts | None,
    ) -> None:
        """Begin after a prompt, which counts: neither a text nor an n-gram begins anew after it."""
        self._model = model
        self._texts = texts
        self._end = b""
        self._size = options.no_repeat_ngram_size
        self._newest: deque[int] = deque(maxlen=max(self._size - 1, 0))
        self._followers: dict[tuple[int, ...], set[int]] = {}
        for token in prompt:
            self.accept(token)

    def copy(self) -> "Bans":
        """Return bans that go on by themselves after the same tokens."""
        other = copy(self)
        other._newest = self._newest.copy()
        other._followers = {before: set(after) for before, after in self._followers.items()}
        return other

    def tokens(self) -> Tokens:
        """Return them; one may be there twice."""
        texts = self._texts.after(self._end) if self._texts else _NONE
        repeated = self._followers.get(tuple(self._newest), ())
        return np.fromiter(chain(texts, repeated), np.int32) if repeated else texts

    def accept(self, token: int) -> None:
        """Go on after a token."""
        if self._texts:
            end = self._end + self._model.piece(token)
            self._end = end[max(len(end) - self._texts.longest, 0) :]
        if self._size:
            before = tuple(self._newest)
            if len(before) == self._size - 1:
                self._followers.setdefault(before, set()).add(token)
            self._newest.append(token)


def _where(pieces: Sequence[bytes], matches: Callable[[bytes], bool]) -> Tokens:
    return np.array([token for token, piece in enumerate(pieces) if matches(piece)], np.int32)
