"""A completion as OpenAI's API shows it: text that grows, and log-probabilities of its tokens."""

import codecs
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..engine.llama.model import Model
from ..engine.records import FinishReason, ScoredToken, Token

_FINISH_REASONS = {"stop": "stop", "eos": "stop", "length": "length"}
_LEAST = -9999.0  # what OpenAI's API reports for what is less likely; JSON has no infinity


class _TokenLogprobs(NamedTuple):
    """A token with its log-probability; ``offset`` is where its text begins."""

    token: str
    logprob: float | None
    top: dict[str, float] | None
    offset: int


class Choice:
    """One completion of a response.

    Attributes:
        seed: of its random numbers.
        finish_reason: as OpenAI names it, when it has ended.
        token_count: tokens generated.
        index: its place in the response.
        awaits_prompt: whether the log-probabilities of its prompt are still to come.
    """

    def __init__(
        self, index: int, seed: int, model: Model, echoed: str, *, logprobs: bool, generates: bool
    ) -> None:
        """Start with the text that is echoed.

        Args:
            index: its place in the response.
            seed: of its random numbers.
            model: what spells the tokens.
            echoed: the prompt, if the text begins with it.
            logprobs: report log-probabilities, also of a prompt that is echoed.
            generates: whether there will be updates; otherwise it is just the prompt.
        """
        self.seed = seed
        self.finish_reason: str | None = None if generates else "length"
        self.token_count = 0
        self.index = index
        self._model = model
        self._echoed = echoed
        self._new_text = [echoed] if echoed else []
        self._length = len(echoed)  # of all text so far
        self._prompt_ready: list[_TokenLogprobs] = []
        self._pending: deque[_TokenLogprobs] | None = deque() if logprobs else None
        self._offsets = _Offsets(model, len(echoed))  # of text, and after a stop sequence of more
        self._is_cut = False  # by a stop sequence
        self._logprob = 0.0  # of all tokens that were observed
        self.awaits_prompt = False

    @property
    def is_complete(self) -> bool:
        """Whether there will be no more."""
        return bool(self.finish_reason) and not self.awaits_prompt

    @property
    def mean_logprob(self) -> float:
        """The mean log-probability of its tokens, if they were observed."""
        return self._logprob / max(self.token_count, 1)

    def add(self, tokens: Sequence[Token], finish_reason: FinishReason | None) -> None:
        """Add new tokens, and why there will be no more."""
        for token in tokens:
            self.token_count += 1
            self._length += len(token.text)
            if token.text:
                self._new_text.append(token.text)
            if not token.observation:
                continue
            drawn, top, _ = token.observation
            self._logprob += drawn.logprob
            if self._pending is not None:
                tops = [(candidate.id, candidate.logprob) for candidate in top]
                offset = self._offsets.of_next(token.id)
                self._pending.append(self._record(token.id, drawn.logprob, tops, offset))
        if finish_reason:
            self.finish_reason = _FINISH_REASONS[finish_reason]
            self._is_cut = finish_reason == "stop"

    def add_prompt(self, scores: Sequence[ScoredToken]) -> None:
        """Add the log-probabilities of the prompt that is echoed."""
        # Some models put a space before all text, which their tokens spell, and the echo has not.
        spelled = b"".join(self._model.piece(score.id) for score in scores)
        excess = len(spelled.decode(errors="replace")) - len(self._echoed)
        offsets = _Offsets(self._model, -excess)
        self._prompt_ready = [
            self._record(score.id, score.logprob, score.top, max(offsets.of_next(score.id), 0))
            for score in scores
        ]
        self.awaits_prompt = False

    def take(self) -> dict[str, Any] | None:
        """Return what is new since the last call, or None if that is nothing."""
        if self.awaits_prompt or not (self._new_text or self.finish_reason):
            return None
        text = "".join(self._new_text)
        self._new_text.clear()
        return {
            "text": text,
            "index": self.index,
            "logprobs": self._logprobs(),
            "finish_reason": self.finish_reason,
            "seed": self.seed,
        }

    def _record(
        self, token: int, logprob: float | None, top: Sequence[tuple[int, float]], offset: int
    ) -> _TokenLogprobs:
        if logprob is None:
            return _TokenLogprobs(self._spelled(token), None, None, offset)
        tops: dict[str, float] = {}
        for candidate, its_logprob in top:
            tops.setdefault(self._spelled(candidate), max(its_logprob, _LEAST))
        return _TokenLogprobs(self._spelled(token), max(logprob, _LEAST), tops, offset)

    def _spelled(self, token: int) -> str:
        """Return a token's text, or its bytes where they are not text by themselves."""
        piece = self._model.piece(token, special=True)
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)

    def _logprobs(self) -> dict[str, Sequence[Any]] | None:
        """Return the log-probabilities of the tokens whose text was sent, and not of more.

        An end-of-text token has no text, and comes at the end.
        """
        if self._pending is None:
            return None
        ready, self._prompt_ready = self._prompt_ready, []
        all_sent = self.finish_reason and not self._is_cut
        while self._pending and (all_sent or self._pending[0].offset < self._length):
            ready.append(self._pending.popleft())
        return {
            "tokens": [each.token for each in ready],
            "token_logprobs": [each.logprob for each in ready],
            "top_logprobs": [each.top for each in ready],
            "text_offset": [each.offset for each in ready],
        }


class _Offsets:
    """Where the text of each token begins, in characters; one of several is where the first is."""

    def __init__(self, model: Model, start: int) -> None:
        self._model = model
        self._end = start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def of_next(self, token: int) -> int:
        offset = self._end
        self._end += len(self._decoder.decode(self._model.piece(token)))
        return offset
