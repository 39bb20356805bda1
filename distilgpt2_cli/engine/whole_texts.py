"""Whole texts evaluated between the steps of completions."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .completion import Completion
from .llama.context import Context
from .llama.model import Model
from .llama.native import NativeContext
from .records import (
    BeamRequest,
    FeatureRequest,
    FinishReason,
    Request,
    ScoredToken,
    ScoreRequest,
    Token,
)

if TYPE_CHECKING:
    from .evaluate.evaluator import Evaluator, Rows

_MOST_TOGETHER = 64

TextRequest: TypeAlias = FeatureRequest | ScoreRequest | BeamRequest


class Whole(NamedTuple):
    """The tokens of a completion, and why it ended."""

    tokens: Sequence[Token]
    finish_reason: FinishReason | None


class TextResult(NamedTuple):
    """What a request asked for.

    Attributes:
        features: those of a text.
        scores: the tokens of each text with their scores.
        texts: completions: the one after a text that was scored, or those of a beam search.
    """

    features: "Rows | None" = None
    scores: Sequence[Sequence[ScoredToken]] = ()
    texts: Sequence[Whole] = ()


class TextEvaluators:
    """Answers requests for texts, one at a time. Close it before the model.

    What it evaluates with is made when it is first needed: features, scores, and scores of several
    texts together need a context each.
    """

    def __init__(self, model: Model, threads: int | None) -> None:
        """Use a model, with so many threads; by default as many as there are cores."""
        self._model = model
        self._threads = threads
        self._scales: tuple[float, ...] = ()
        self._evaluators: dict[tuple[bool, int], Evaluator] = {}

    def answer(
        self, request: TextRequest, scales: Sequence[float] | None = None
    ) -> Iterator[TextResult | None]:
        """Yield None after each evaluation but the last, and then the result.

        Nothing else may be evaluated here until then.

        Args:
            request: what is wanted.
            scales: of the model's adapters; None for those that it was loaded with.

        Raises:
            NotANumberError: the model computes NaN.
            DistilError: llama.cpp can't make a context, or can't evaluate the text.
        """
        self._scales = self._model.adapter_scales if scales is None else tuple(scales)
        if isinstance(request, FeatureRequest):
            yield TextResult(features=self._features(request.tokens))
        elif isinstance(request, BeamRequest):
            yield from self._beams(request)
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
        return result._replace(texts=[Whole(completion.take_ready(), completion.finish_reason)])

    def _beams(self, asked: BeamRequest) -> Iterator[TextResult | None]:
        from .bans import BannedTexts, Bans
        from .beams import beam_steps, completion_of, nth_of

        request, options = asked.request, asked.request.options
        assert options
        prompt = request.prompt
        assert not isinstance(prompt, str)
        size = self._model.window
        if options.max_tokens >= 0:
            size = min(size, len(prompt) + options.max_tokens)
        texts = BannedTexts(self._model, options.ban) if options.ban else None
        bans = Bans(self._model, prompt, options, texts) if options.bans else None
        with Context(self._model, size, self._threads, options.num_beams) as context:
            _scale(context, self._scales)
            context.evaluate(prompt)
            for found in beam_steps(context, prompt, options, bans):
                if found is None:
                    yield None
                    continue
                completions = [
                    completion_of(
                        request, context, prompt, 0, options, partial(nth_of, found, number)
                    )
                    for number in range(asked.count)
                ]
                yield TextResult(
                    texts=[Whole(list(each), each.finish_reason) for each in completions]
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
        _scale(self._evaluators[key], self._scales)
        return self._evaluators[key]

    def close(self) -> None:
        """Free the contexts."""
        for evaluator in self._evaluators.values():
            evaluator.close()
        self._evaluators.clear()


def _scale(context: NativeContext, scales: tuple[float, ...]) -> None:
    """Have a context of which nothing is under way use these scales of adapters."""
    if scales != context.adapter_scales:
        context.scale_adapters(scales)
