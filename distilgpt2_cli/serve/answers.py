"""The answers to checked requests: the jobs of each, and the body that their results make."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..engine.llama.model import Model
from ..engine.options import completion_seed
from ..engine.records import BeamRequest, FeatureRequest, Request, ScoreRequest
from ..engine.scheduling import Job, Update
from .choices import Choice
from .inputs import EmbeddingCall
from .parameters import CompletionCall

if TYPE_CHECKING:
    from ..engine.evaluate.evaluator import Rows

Note = Callable[[Update], object]


class Answer(Protocol):
    """What becomes the body of a response.

    Attributes:
        jobs: what is to be done for it. Each takes its updates itself.
    """

    jobs: Sequence[Job]

    @property
    def body(self) -> dict[str, Any]:
        """The whole body, to be asked for once, when all jobs have ended."""


class CompletionAnswer:
    """The choices of a response, which grow while its jobs are done.

    Attributes:
        jobs: the prompts to score, and the completions.
        choices: in their order.
    """

    def __init__(
        self, call: CompletionCall, head: Mapping[str, Any], model: Model, note: Note
    ) -> None:
        """Begin with choices that have no text yet.

        Args:
            call: what is answered.
            head: the first fields of the body.
            model: what spells the tokens.
            note: called after each update that a choice has taken.
        """
        self._call = call
        self._head = head
        self._note = note
        self.choices = [
            Choice(
                index,
                completion_seed(call.seed, index),
                model,
                call.prompts[index // call.best_of].text if call.echo else "",
                logprobs=call.logprobs is not None,
                generates=call.generates,
            )
            for index in range(len(call.prompts) * call.best_of)
        ]
        self.jobs: Sequence[Job] = [*self._scoring_jobs(), *self._completion_jobs()]

    @property
    def body(self) -> dict[str, Any]:
        """The whole body, to be asked for once, when all jobs have ended."""
        choices = [choice.take() for choice in self._best()]
        return {**self._head, "choices": choices, "usage": self.usage}

    @property
    def usage(self) -> dict[str, int]:
        """The number of tokens."""
        completion = sum(choice.token_count for choice in self.choices)
        prompt = self._call.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _best(self) -> list[Choice]:
        """Return the choices to send: of those of each prompt, the likeliest."""
        call = self._call
        if call.best_of == call.n:
            return self.choices
        chosen: list[Choice] = []
        for number in range(len(call.prompts)):
            ranked = sorted(self._of_prompt(number), key=lambda choice: -choice.mean_logprob)
            chosen += ranked[: call.n]
        for index, choice in enumerate(chosen):
            choice.index = index
        return chosen

    def _scoring_jobs(self) -> Iterator[Job]:
        """Yield a job for each prompt that is shown with its log-probabilities."""
        call = self._call
        if call.logprobs is None or not call.echo:
            return
        for choice in self.choices:
            choice.awaits_prompt = True
        step = len(call.prompts) if call.scores_together else 1
        for start in range(0, len(call.prompts), step):
            texts = [prompt.tokens for prompt in call.prompts[start : start + step]]
            then = self._request(start) if call.draws_after_scores else None
            request = ScoreRequest(texts, call.logprobs, then)
            yield Job(request, partial(self._receive_scores, start), scales=call.scales)

    def _completion_jobs(self) -> Iterator[Job]:
        call = self._call
        if not call.generates or call.draws_after_scores:
            return
        if call.options.num_beams > 1:
            for number in range(len(call.prompts)):
                request = BeamRequest(self._request(number * call.n), call.n)
                yield Job(request, partial(self._receive_beams, number), scales=call.scales)
            return
        for index, choice in enumerate(self.choices):
            receive = partial(self._receive, choice)
            work, alone = self._request(index), call.deterministic
            yield Job(work, receive, alone, not call.stream, call.scales)

    def _request(self, index: int) -> Request:
        call, seed = self._call, self.choices[index].seed
        tokens = call.prompts[index // call.best_of].tokens
        return Request(tokens, seed, options=call.options, alternatives=call.alternatives)

    def _receive_scores(self, first: int, update: Update) -> None:
        """Give the scores of prompts, of which one is the ``first``, to their choices."""
        if update.result:
            for number, scores in enumerate(update.result.scores, first):
                for choice in self._of_prompt(number):
                    choice.add_prompt(scores)
            for text in update.result.texts:
                self.choices[first].add(*text)
        self._note(update)

    def _receive_beams(self, number: int, update: Update) -> None:
        if update.result:
            for choice, text in zip(self._of_prompt(number), update.result.texts, strict=True):
                choice.add(*text)
        self._note(update)

    def _of_prompt(self, number: int) -> list[Choice]:
        count = self._call.best_of
        return self.choices[number * count : (number + 1) * count]

    def _receive(self, choice: Choice, update: Update) -> None:
        choice.add(update.tokens, update.finish_reason)
        self._note(update)


class EmbeddingAnswer:
    """One vector for each input.

    Attributes:
        jobs: one for each input.
        prompt_tokens: of all inputs.
    """

    def __init__(self, call: EmbeddingCall, name: str, note: Note) -> None:
        """Begin without vectors.

        Args:
            call: what is answered.
            name: that of the model.
            note: called after each update that an input has taken.
        """
        self.prompt_tokens = sum(map(len, call.inputs))
        self._call = call
        self._name = name
        self._note = note
        self._rows: list[Rows | None] = [None] * len(call.inputs)
        self.jobs: Sequence[Job] = [
            Job(FeatureRequest(tokens), partial(self._receive, index), scales=call.scales)
            for index, tokens in enumerate(call.inputs)
        ]

    @property
    def body(self) -> dict[str, Any]:
        """The whole body, when all jobs have ended."""
        data = [
            {"object": "embedding", "index": index, "embedding": self._encoded(row)}
            for index, row in enumerate(self._rows)
            if row is not None
        ]
        usage = {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}
        return {"object": "list", "data": data, "model": self._name, "usage": usage}

    def _receive(self, index: int, update: Update) -> None:
        if update.result:
            self._rows[index] = update.result.features
        self._note(update)

    def _encoded(self, row: "Rows") -> Any:
        if self._call.base64:
            return b64encode(row.astype("<f4").tobytes()).decode()
        return row.tolist()
