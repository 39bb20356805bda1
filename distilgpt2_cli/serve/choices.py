"""A completion as OpenAI's API shows it: text that grows, and log-probabilities of its tokens."""

import codecs
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..engine.llama.model import Model
from ..engine.records import Token
from ..engine.scheduling import Update

_FINISH_REASONS = {"stop": "stop", "eos": "stop", "length": "length"}


class _TokenLogprobs(NamedTuple):
    """A token with its log-probability; ``offset`` is where its text begins."""

    token: str
    logprob: float
    top: dict[str, float]
    offset: int


class Choice:
    """One completion of a response.

    Attributes:
        seed: of its random numbers.
        finish_reason: as OpenAI names it, when it has ended.
        token_count: tokens generated.
    """

    def __init__(self, index: int, seed: int, model: Model, echoed: str, logprobs: bool) -> None:
        """Start with the text that is echoed."""
        self.seed = seed
        self.finish_reason: str | None = None
        self.token_count = 0
        self._index = index
        self._model = model
        self._new_text = [echoed] if echoed else []
        self._length = len(echoed)  # of all text so far
        self._pending: deque[_TokenLogprobs] | None = deque() if logprobs else None
        self._decoded = len(echoed)  # of all text so far, and after a stop sequence more
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, update: Update) -> None:
        """Add the new tokens."""
        for token in update.tokens:
            self.token_count += 1
            self._length += len(token.text)
            if token.text:
                self._new_text.append(token.text)
            if self._pending is not None and token.observation:
                self._pending.append(self._token_logprobs(token))
        if update.finish_reason:
            self.finish_reason = _FINISH_REASONS[update.finish_reason]

    def take(self) -> dict[str, Any] | None:
        """Return what is new since the last call, or None if that is nothing."""
        if not self._new_text and not self.finish_reason:
            return None
        text = "".join(self._new_text)
        self._new_text.clear()
        return {
            "text": text,
            "index": self._index,
            "logprobs": self._logprobs(),
            "finish_reason": self.finish_reason,
            "seed": self.seed,
        }

    def _token_logprobs(self, token: Token) -> _TokenLogprobs:
        assert token.observation
        drawn, top, _ = token.observation
        offset = self._decoded
        self._decoded += len(self._decoder.decode(self._model.piece(token.id)))
        likeliest = {self._spelled(candidate.id): candidate.logprob for candidate in top}
        return _TokenLogprobs(self._spelled(token.id), drawn.logprob, likeliest, offset)

    def _spelled(self, token: int) -> str:
        """Return a token's text, or its bytes where they are not text by themselves."""
        piece = self._model.piece(token, special=True)
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)

    def _logprobs(self) -> dict[str, Sequence[Any]] | None:
        """Return the log-probabilities of the tokens whose text was sent, and not of more."""
        if self._pending is None:
            return None
        ready = []
        while self._pending and self._pending[0].offset < self._length:
            ready.append(self._pending.popleft())
        return {
            "tokens": [each.token for each in ready],
            "token_logprobs": [each.logprob for each in ready],
            "top_logprobs": [each.top for each in ready],
            "text_offset": [each.offset for each in ready],
        }
