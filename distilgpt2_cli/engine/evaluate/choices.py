"""How likely a model holds each of several continuations, by the rules of benchmarks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from ...errors import DistilError
from .evaluator import Evaluator
from .probabilities import Logprobs
from .scoring import ScoredText, Scorer, window_logprobs
from .windows import Window

_TRAILING = 3  # tokens that must differ so that llama.cpp's WinoGrande skips the option itself


class Choice(NamedTuple):
    """A continuation.

    Attributes:
        before: the text before it.
        scored: the text that is scored, with the white space before it.
        byte_count: the bytes in UTF-8 that `per_byte` divides by.
    """

    before: str
    scored: str
    byte_count: int


@dataclass(frozen=True, slots=True)
class TokenizedItem:
    """Choices as tokens.

    Attributes:
        texts: the tokens of each choice, and of the text before it; ``before`` of each is where the
            first token stands that any rule needs.
        starts: where the scored text begins in each.
        ends_of_before: how many tokens the text before it has alone.
        shared: how many tokens all of them begin with.
        cut: how many tokens were left out at the beginning of each, for the context window.
    """

    texts: Sequence[ScoredText]
    starts: Sequence[int]
    ends_of_before: Sequence[int]
    shared: int
    cut: int


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """How likely a choice is.

    Attributes:
        tokens: how many the scored text has.
        byte_count: as in `Choice`.
        logprob: of the scored text, in nats: the sum over its tokens.
        after_shared: the mean log-probability of the tokens after those that all choices share.
            That is how llama.cpp's perplexity program scores HellaSwag and other choices.
        after_option: that of the tokens after the text before the scored one, without the last
            token, or, where few tokens differ, after those that are shared. That is how the program
            scores WinoGrande. None if there are not two choices.
    """

    tokens: int
    byte_count: int
    logprob: float
    after_shared: float
    after_option: float | None

    @property
    def per_token(self) -> float:
        """The mean over the tokens, in nats."""
        return self.logprob / self.tokens

    @property
    def per_byte(self) -> float:
        """The log-probability by the bytes of the choice, in nats."""
        return self.logprob / self.byte_count


class ChoiceScorer:
    """Scores choices with an evaluator, each text alone or as many at once as it has sequences."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Use the evaluator."""
        self._evaluator = evaluator
        self._model = evaluator.model
        self._scorer = Scorer(evaluator)

    def tokens(self, choices: Sequence[Choice]) -> TokenizedItem:
        """Tokenize choices, each together with the text before it.

        The tokens of a choice are those after the ones that the text before it begins with when it
        is tokenized alone; white space at its end belongs to the choice. That is how
        lm-evaluation-harness cuts (lm_eval/api/model.py), as long as no token spans the place. If
        there is nothing before a choice, that is the model's start token. Texts that are too long
        lose their beginning, all the same number of tokens.

        Raises:
            DistilError: what must be scored does not fit in the context window.
        """
        whole, starts, ends = [], [], []
        for choice in choices:
            before = choice.before.rstrip()
            tokens = self._model.tokenize(choice.before + choice.scored)
            alone = self._model.tokenize(before)
            start = _shared([tokens, alone])
            if not start:
                tokens, start = [self._model.start_token, *tokens], 1
            whole.append(tokens)
            starts.append(start)
            ends.append(max(len(self._model.tokenize(choice.before)), 1))
        shared = max(min(_shared(whole), min(map(len, whole)) - 1), 1)
        firsts = [min(shared, start, end) for start, end in zip(starts, ends, strict=True)]
        cut = max(max(map(len, whole)) - self._evaluator.size, 0)
        if cut >= min(firsts):
            raise DistilError(
                f"A choice is longer than the context window of {self._evaluator.size} tokens.",
                "Shorten it.",
            )
        texts = [
            ScoredText(tokens[cut:], first - cut, choice.byte_count)
            for choice, tokens, first in zip(choices, whole, firsts, strict=True)
        ]
        return TokenizedItem(
            texts, [start - cut for start in starts], [end - cut for end in ends], shared - cut, cut
        )

    def score_together(self, items: Sequence[TokenizedItem]) -> Iterator[list[ChoiceScore]]:
        """Yield the scores of the choices of each item.

        Raises:
            DistilError: llama.cpp can't evaluate them.
        """
        texts = [text for item in items for text in item.texts]
        step = self._evaluator.sequences
        scored = (
            logprobs
            for start in range(0, len(texts), step)
            for logprobs in self._logprobs(texts[start : start + step])
        )
        for item in items:
            logprobs = [next(scored) for _ in item.texts]
            yield [_score(item, number, logprobs[number]) for number in range(len(item.texts))]

    def _logprobs(self, texts: Sequence[ScoredText]) -> Iterator[Logprobs]:
        if len(texts) > 1:
            return (score.logprobs for score in self._scorer.score_together(texts))
        (text,) = texts
        window = Window(text.tokens, len(text.scored), len(text.scored))
        return iter([window_logprobs(self._evaluator, window)])


def _score(item: TokenizedItem, number: int, logprobs: Logprobs) -> ChoiceScore:
    text, start = item.texts[number], item.starts[number]
    first, length = text.before, len(text.tokens)
    return ChoiceScore(
        length - start,
        text.byte_count,
        float(logprobs[start - first :].sum()),
        float(logprobs[item.shared - first :].mean()),
        _after_option(item, number, logprobs),
    )


def _after_option(item: TokenizedItem, number: int, logprobs: Logprobs) -> float | None:
    if len(item.texts) != 2:
        return None
    skips_option = all(len(text.tokens) - item.shared > _TRAILING for text in item.texts)
    first, length = item.texts[number].before, len(item.texts[number].tokens)
    begin = min(item.ends_of_before[number], length - 1) if skips_option else item.shared
    end = length - (1 if length - begin > 1 else 0)
    return float(logprobs[begin - first : end - first].mean())


def _shared(texts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all texts begin with."""
    return sum(1 for _ in takewhile(lambda tokens: len({*tokens}) == 1, zip(*texts, strict=False)))
