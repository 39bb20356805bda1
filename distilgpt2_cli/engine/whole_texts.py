"""Whole texts evaluated between the steps of completions."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .llama.model import Model
from .records import FeatureRequest, ScoredToken, ScoreRequest

if TYPE_CHECKING:
    from .evaluate.evaluator import Evaluator, Rows

TextRequest: TypeAlias = FeatureRequest | ScoreRequest


class TextResult(NamedTuple):
    """What a request asked for: the features of a text, or its tokens with their scores."""

    features: "Rows | None" = None
    scores: Sequence[ScoredToken] = ()


class TextEvaluators:
    """Answers requests for texts, one at a time. Close it before the model.

    What it evaluates with is made when it is first needed: features and scores need a context each.
    """

    def __init__(self, model: Model, threads: int | None) -> None:
        """Use a model, with so many threads; by default as many as there are cores."""
        self._model = model
        self._threads = threads
        self._evaluators: dict[bool, Evaluator] = {}

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
        from .evaluate.scoring import scored_tokens

        scores: list[ScoredToken] = []
        evaluator = self._evaluator(hidden_states=False)
        for part in scored_tokens(evaluator, request.tokens, request.top):
            scores += part
            yield TextResult(scores=scores) if len(scores) == len(request.tokens) else None

    def _evaluator(self, *, hidden_states: bool) -> "Evaluator":
        from .evaluate.evaluator import Evaluator

        if hidden_states not in self._evaluators:
            self._evaluators[hidden_states] = Evaluator(
                self._model, None, self._threads, hidden_states=hidden_states
            )
        return self._evaluators[hidden_states]

    def close(self) -> None:
        """Free the contexts."""
        for evaluator in self._evaluators.values():
            evaluator.close()
        self._evaluators.clear()
