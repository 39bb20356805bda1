"""How likely a model holds the tokens of a text."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ...errors import NotANumberError, no_text
from ..records import ScoredToken
from .evaluator import Evaluator, Rows, packed
from .places import Places, Wanted, joined, places_of, window_places
from .probabilities import Logprobs, log_softmax, logprobs_of, ranked_logprobs_of
from .windows import Window, check_stride, half, sliding


@dataclass(frozen=True, slots=True)
class Score:
    """The tokens of a text with the log-probability of each, given those before it.

    Attributes:
        tokens: those of the text.
        logprobs: natural logarithms, one for each token.
        prefix_tokens: how many tokens stood before them that were not scored.
        byte_count: the bytes of the text in UTF-8.
        places: more about each token, where that was asked for.
    """

    tokens: Sequence[int]
    logprobs: Logprobs
    prefix_tokens: int
    byte_count: int
    places: Places | None = None

    @property
    def surprisals(self) -> Logprobs:
        """The information of each token in bits: ``-log2(probability)`` (Shannon, 1948)."""
        return -self.logprobs / math.log(2)

    @property
    def logprob(self) -> float:
        """The natural logarithm of the probability of the whole text."""
        return float(self.logprobs.sum())

    @property
    def mean_logprob(self) -> float:
        """The average over the tokens, in nats."""
        return float(self.logprobs.mean())

    @property
    def perplexity(self) -> float:
        """``exp(-mean_logprob)``, per token (Jelinek et al., 1977)."""
        return perplexity_of(self.mean_logprob)

    @property
    def bits_per_byte(self) -> float:
        """The information of the whole text by its bytes."""
        return float(self.surprisals.sum()) / self.byte_count


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A text to score, as tokens.

    Attributes:
        tokens: those of what stands before the text, and its own.
        before: how many of them stand before it, 1 at least.
        byte_count: the bytes of the text in UTF-8.
    """

    tokens: Sequence[int]
    before: int
    byte_count: int

    def __len__(self) -> int:
        """All tokens."""
        return len(self.tokens)

    @property
    def scored(self) -> Sequence[int]:
        """The tokens of the text itself."""
        return self.tokens[self.before :]


class Scorer:
    """Scores texts of any length with an evaluator.

    Those longer than its window are cut into windows that overlap, by half if nothing else is said.

    Attributes:
        window: tokens in a window.
        stride: tokens from one window to the next.
    """

    def __init__(
        self, evaluator: Evaluator, stride: int | None = None, wanted: Wanted | None = None
    ) -> None:
        """Use an evaluator.

        Args:
            evaluator: its sequences are the texts that are evaluated at once.
            stride: tokens from one window to the next.
            wanted: give `Places` too; if it has sets, also for the place after the text.

        Raises:
            ParameterError: ``stride`` is more than a window.
        """
        self._evaluator = evaluator
        self._model = evaluator.model
        self.window = evaluator.size
        self.stride = half(self.window) if stride is None else stride
        check_stride(self.stride, self.window)
        self._wanted = wanted
        self._after = [self._model.start_token] if wanted and wanted.sets.shape[1] else []

    def tokens(self, text: str, prefix: str = "") -> ScoredText:
        """Tokenize a text and what stands before it apart, so that no prefix changes the text.

        Without a prefix, the first token is scored given the model's start token.

        Raises:
            UsageError: the text is empty.
        """
        data = text.encode()
        scored = self._model.tokenize_bytes(data)
        if not scored:
            raise no_text()
        before = self._model.tokenize(prefix) or [self._model.start_token]
        return ScoredText([*before, *scored, *self._after], len(before), len(data))

    def score(self, text: str, prefix: str = "") -> Score:
        """Score a text.

        Raises:
            UsageError: it is empty.
            DistilError: llama.cpp can't evaluate it.
        """
        return self._score_alone(self.tokens(text, prefix))

    def next_logprobs(self, prompt: str) -> Logprobs:
        """Return how likely each token of the vocabulary is as the next one, in nats.

        For no text at all, the prompt is the model's start token. A prompt larger than the window
        keeps its end.

        Raises:
            NotANumberError: the logits are NaN.
            DistilError: llama.cpp can't evaluate the prompt.
        """
        tokens = self._model.tokenize(prompt) or [self._model.start_token]
        (rows,) = self._evaluator.logits(tokens[-self._evaluator.size :], 1)
        logprobs: Logprobs = log_softmax(rows[0].astype(np.float64))
        if np.isnan(logprobs).any():
            raise NotANumberError
        return logprobs

    def score_together(self, texts: Iterable[ScoredText]) -> Iterator[Score]:
        """Score texts in as few evaluations as they fit in, and yield the scores in order.

        Raises:
            DistilError: llama.cpp can't evaluate them.
        """
        for group in packed(texts, len, self._evaluator.capacity):
            if len(group) == 1:
                yield self._score_alone(group[0])
            else:
                yield from self._score_group(group)

    def _score_group(self, group: Sequence[ScoredText]) -> Iterator[Score]:
        rows = self._evaluator.logits_of_many(
            [text.tokens[:-1] for text in group], [text.before - 1 for text in group]
        )
        targets = [token for text in group for token in text.scored]
        ends = np.cumsum([len(text.scored) for text in group])[:-1]
        if not self._wanted:
            yield from map(self._score, group, np.split(logprobs_of(rows, targets), ends))
            return
        contexts = np.concatenate([np.arange(text.before, len(text)) for text in group])
        places = places_of(rows, targets, contexts, self._wanted)
        starts = [0, *ends.tolist()]
        for text, start in zip(group, starts, strict=True):
            own = places.at(slice(start, start + len(text.scored)))
            yield self._score(text, own.logprobs, own)

    def _score_alone(self, text: ScoredText) -> Score:
        windows = sliding(text.tokens, self.window, self.stride)
        first = text.before - 1
        if not self._wanted:
            parts = [window_logprobs(self._evaluator, each) for each in windows]
            return self._score(text, np.concatenate(parts)[first:])
        pieces = [
            piece
            for each in windows
            for piece in window_places(self._evaluator, each, self._wanted)
        ]
        places = joined(pieces).at(slice(first, None))
        return self._score(text, places.logprobs, places)

    def _score(self, text: ScoredText, logprobs: Logprobs, places: Places | None = None) -> Score:
        end = len(text.scored) - len(self._after)
        return Score(text.scored[:end], logprobs[:end], text.before, text.byte_count, places)


def perplexity_of(mean_logprob: float) -> float:
    """Return ``exp(-mean_logprob)``, which is infinite where no float holds it."""
    try:
        return math.exp(-mean_logprob)
    except OverflowError:
        return math.inf


def window_logprobs(evaluator: Evaluator, window: Window) -> Logprobs:
    """Return the log-probabilities, in nats, of the tokens that a window scores.

    Raises:
        DistilError: llama.cpp can't evaluate the window.
    """
    targets = list(window.tokens[-window.scored :])
    parts = []
    for rows in evaluator.logits(window.tokens[:-1], window.scored):
        parts.append(logprobs_of(rows, targets[: len(rows)]))
        del targets[: len(rows)]
    return np.concatenate(parts)


def surprisals(evaluator: Evaluator, text: str, *, starts_alone: bool) -> list[float]:
    """Return the surprisal of each token of a text, in nats, as other programs give them.

    Args:
        evaluator: with room for the text.
        text: at least two tokens.
        starts_alone: score the first token too, after the model's start token.

    Raises:
        NotANumberError: the logits are NaN.
        DistilError: llama.cpp can't evaluate it.
    """
    model = evaluator.model
    tokens = model.tokenize_bytes(text.encode())
    if starts_alone:
        tokens.insert(0, model.start_token)
    scored = (each.logprob for part in scored_tokens(evaluator, tokens, 0) for each in part)
    return [-logprob for logprob in scored if logprob is not None]


def scored_tokens(
    evaluator: Evaluator, tokens: Sequence[int], top: int
) -> Iterator[list[ScoredToken]]:
    """Score a text given by its tokens, which the window holds, as `Scorer` does after the first.

    Yields:
        The next tokens, after each evaluation; before the first one, the first token of the text.

    Raises:
        NotANumberError: the logits are NaN.
        DistilError: llama.cpp can't evaluate it.
    """
    yield [ScoredToken(tokens[0], None, ())]
    place = 1
    for rows in evaluator.logits(tokens[:-1], len(tokens) - 1):
        yield _scored(rows, tokens[place : place + len(rows)], top)
        place += len(rows)


def scored_tokens_together(
    evaluator: Evaluator, texts: Sequence[Sequence[int]], top: int
) -> Iterator[list[list[ScoredToken]]]:
    """Score texts given by their tokens in as few evaluations as they fit in.

    Yields:
        The scored tokens of each of the next texts, after each evaluation.

    Raises:
        NotANumberError: the logits are NaN.
        DistilError: llama.cpp can't evaluate them.
    """
    for part in packed(texts, len, evaluator.capacity):
        for start in range(0, len(part), evaluator.sequences):
            group = part[start : start + evaluator.sequences]
            evaluated = [text[:-1] for text in group if len(text) > 1]
            scores: list[ScoredToken] = []
            if evaluated:
                rows = evaluator.logits_of_many(evaluated, [0] * len(evaluated))
                scores = _scored(rows, [token for text in group for token in text[1:]], top)
            following = iter(scores)
            yield [
                [ScoredToken(text[0], None, ()), *islice(following, len(text) - 1)]
                for text in group
            ]


def _scored(rows: Rows, targets: Sequence[int], top: int) -> list[ScoredToken]:
    ranked = ranked_logprobs_of(rows, targets, top)
    tops = zip(ranked.top_ids.tolist(), ranked.top.tolist(), strict=True)
    return [
        ScoredToken(token, logprob, list(zip(ids, logprobs, strict=True)))
        for token, logprob, (ids, logprobs) in zip(
            targets, ranked.targets.tolist(), tops, strict=True
        )
    ]
