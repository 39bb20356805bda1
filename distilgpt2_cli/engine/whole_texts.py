"""Whole texts evaluated between the steps of completions."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .completion import Completion
from .llama.model import Model
from .records import FeatureRequest, FinishReason, Request, ScoredToken, ScoreRequest, Token

if TYPE_CHECKING:
    from .evaluate.evaluator import Evaluator, Rows

_MOST_TOGETHER = 64

TextRequest: TypeAlias = FeatureRequest | ScoreRequest


class TextResult(NamedTuple):
    """What a request asked for.

    Attributes:
        features: those of a text.
        scores: the tokens of each text with their scores.
        tokens: those of the completion after it.
        finish_reason: of that completion.
    """

    features: "Rows | None" = None
    scores: Sequence[Sequence[ScoredToken]] = ()
    tokens: Sequence[Token] = ()
    finish_reason: FinishReason | None = None


class TextEvaluators:
    """Answers requests for texts, one at a time. Close it before the model.

    What it evaluates with is made when it is first needed: features, scores, and scores of several
    texts together need a context each.
    """

    def __init__(self, model: Model, threads: int | None) -> None:
        """Use a model, with so many threads; by default as many as there are cores."""
        self._model = model
        self._threads = threads
        self._evaluators: dict[tuple[bool, int], Evaluator] = {}

    def answer(self, request: TextRequest) -> Iterator[TextResult | None]:
        """Yield None after each evaluation but the last, and then the result.

        Nothing else may be evaluated here until then.

        Raises:
            NotANumberError: the model computes NaN.
            DistilError: llama.cpp can't make a context, or can't evaluate the text.
        """
        if isinstance(request, FeatureRequest):
            yield TextResult(features=self._features(request.tokens))
        else:
            yield from self._scores(request)

    def _features(self, tokens: Sequence[int]) -> "Rows":
        from .evaluate.features import FeatureExtractor  # needs NumPy, which is slow to import

        (features,) = FeatureExtractor(self._evaluator(hidden_states=True), "mean").extract(
            [tokens]
        )
        return features

    def _scores(self, request: ScoreRequest) -> Iterator[TextResult | None]:
        if len(request.texts) > 1:
            yield from self._scores_together(request)
            return
        from .evaluate.scoring import scored_tokens

        (text,) = request.texts
        scores: list[ScoredToken] = []
        evaluator = self._evaluator(hidden_states=False)
        for part in scored_tokens(evaluator, text, request.top):
            scores += part
            if len(scores) < len(text):
                yield None
        result = TextResult(scores=[scores])
        yield self._with_token(evaluator, text, request.then, result) if request.then else result

    def _with_token(
        self, evaluator: "Evaluator", text: Sequence[int], request: Request, result: TextResult
    ) -> TextResult:
        from .candidates import array_sampler

        options = request.options
        assert options
        sampler = array_sampler(evaluator, text, options, request.seed, request.alternatives, None)
        completion = Completion(request, options, evaluator, text, 0, sampler, lambda: None)
        try:
            evaluator.evaluate_last(text)
            completion.draw(-1)
        finally:
            completion.interrupt()
        return result._replace(
            tokens=completion.take_ready(), finish_reason=completion.finish_reason
        )

    def _scores_together(self, request: ScoreRequest) -> Iterator[TextResult | None]:
        from .evaluate.scoring import scored_tokens_together

        scores: list[list[ScoredToken]] = []
        evaluator = self._evaluator(hidden_states=False, sequences=_MOST_TOGETHER)
        for group in scored_tokens_together(evaluator, request.texts, request.top):
            scores += group
            is_last = len(scores) == len(request.texts)
            yield TextResult(scores=scores) if is_last else None

    def _evaluator(self, *, hidden_states: bool, sequences: int = 1) -> "Evaluator":
        from .evaluate.evaluator import Evaluator

        key = hidden_states, sequences
        if key not in self._evaluators:
            self._evaluators[key] = Evaluator(
                self._model, None, self._threads, sequences, hidden_states=hidden_states
            )
        return self._evaluators[key]

    def close(self) -> None:
        """Free the contexts."""
        for evaluator in self._evaluators.values():
            evaluator.close()
        self._evaluators.clear()
