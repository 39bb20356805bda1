"""Completions of prompts, a token at a time, one after another or several at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from .batch import Batch, Completions, RunningBatch
from .completion import Completion
from .llama.context import Context
from .options import GenerationOptions
from .prompts import PromptEvaluator, fit
from .records import Request
from .sampling import Sampler, SharedChain, plain_sampler

if TYPE_CHECKING:
    from .bans import BannedTexts, Bans
    from .constrained import Constraint


class Generator:
    """Completes prompts in a context, with the same options unless a request has its own.

    A prompt larger than the context keeps its end: as much as leaves room for
    ``options.max_tokens``, but at least half the context.

    Attributes:
        load_seconds: what loading the model and making the context took, where that is known.
    """

    def __init__(
        self, context: Context, options: GenerationOptions, alternatives: int | None = None
    ) -> None:
        """Use all sequences of the context; it must have no other user.

        With ``alternatives``, each token comes with an observation of so many candidates.

        Raises:
            UsageError: the grammar asks for what the model's vocabulary does not have.
        """
        self.load_seconds = 0.0
        self._context = context
        self._options = options
        self._alternatives = alternatives
        self._prompts = PromptEvaluator(context)
        self._shared_chain = SharedChain() if context.sequences > 1 else None
        self._batch: Completions | None = None
        # The newest ones: to go through the vocabulary takes time.
        self._constraint: Constraint | None = None
        self._banned: BannedTexts | None = None
        self.prepare(options)

    @property
    def context(self) -> Context:
        """Where prompts are completed."""
        return self._context

    @property
    def options(self) -> GenerationOptions:
        """Those of each request that has none of its own."""
        return self._options

    @property
    def alternatives(self) -> int | None:
        """How many candidates each token is observed with; None for no observation."""
        return self._alternatives

    def complete(self, prompt: str | Sequence[int], seed: int) -> Completion:
        """Return a new completion; those before it are ended.

        Each is what it would be as the only one: a prompt that is completed several times in a
        row is evaluated once, and every first token is drawn from the logits of that evaluation.

        Raises:
            UsageError: the seed is out of range.
            DistilError: llama.cpp can't evaluate the prompt.
        """
        return next(self.complete_all([Request(prompt, seed)]))

    def complete_all(self, requests: Iterable[Request]) -> Completions:
        """Complete requests in as many sequences at a time as the context has.

        With one sequence, each completion is what it would be as the only one. With several, the
        logits depend on how many are evaluated together, but the texts are the same for the same
        requests every time, whatever was completed before. A request is taken only when a
        sequence is free for it. Completions under way are ended.

        With beams, the completions are the texts that a search finds: see `BeamBatch`.
        """
        if self._batch:
            self._batch.interrupt()
        if self._context.sequences > 1:
            # What sequences held would be used again, with the roundings of those beside it.
            for sequence in range(self._context.sequences):
                self._context.rewind(0, sequence)
            self._prompts.forget_all()
        if self._options.num_beams > 1:
            from .beams import BeamBatch

            self._batch = BeamBatch(self._context, self._prompts, self._prepare_beams, requests)
        else:
            self._batch = Batch(self._context, self._prompts, self, requests)
        return self._batch

    def _prepare_beams(
        self, request: Request
    ) -> tuple[GenerationOptions, Sequence[int], int, "Bans | None"]:
        prompt, dropped = self._prompt_of(request)
        options = request.options or self._options
        bans = self._bans_of(prompt, options) if options.bans else None
        return options, prompt, dropped, bans

    def scale_adapters(self, scales: Sequence[float]) -> None:
        """Use the model's adapters with these scales from now on.

        Completions under way are ended.

        Args:
            scales: finite numbers, one for each adapter.

        Raises:
            DistilError: llama.cpp can't.
        """
        if self._batch:
            self._batch.interrupt()
        self._prompts.scale_adapters(scales)

    def running_batch(self) -> RunningBatch:
        """Return an empty batch for whoever begins and ends completions between its steps."""
        return RunningBatch(self._context, self._prompts, self)

    def prepare(self, options: GenerationOptions) -> None:
        """Make sure that requests can have these options of their own.

        Raises:
            UsageError: the grammar asks for what the model's vocabulary does not have.
        """
        if options.grammar is not None:
            self._constraint_of(options.grammar)

    def prompt_of(self, request: Request) -> Sequence[int]:
        """Return the tokens of a request's prompt that are evaluated."""
        return self._prompt_of(request)[0]

    def _prompt_of(self, request: Request) -> tuple[Sequence[int], int]:
        """Return these tokens, and how many are left out before them."""
        model, whole = self._context.model, request.prompt
        if isinstance(whole, str):
            whole = model.tokenize(whole)
        whole = whole or [model.start_token]
        options = request.options or self._options
        prompt = fit(whole, self._context.size, options.max_tokens)
        return prompt, len(whole) - len(prompt)

    def new_completion(self, request: Request, advance: Callable[[], object]) -> Completion:
        """Prepare a completion, whose prompt is yet to be evaluated.

        Args:
            request: what to complete.
            advance: adds a token to it.

        Raises:
            UsageError: the seed is out of range, or the model can't obey the grammar.
        """
        context, options = self._context, request.options or self._options
        prompt, dropped = self._prompt_of(request)
        sampler = self._new_sampler(request, options, prompt)
        return Completion(request, options, context, prompt, dropped, sampler, advance)

    def _new_sampler(
        self, request: Request, options: GenerationOptions, prompt: Sequence[int]
    ) -> Sampler:
        top = self._alternatives if request.alternatives is None else request.alternatives
        context, seed = self._context, request.seed
        if options.grammar is None and top is None and not options.bans:
            return plain_sampler(context, prompt, options, seed, self._shared_chain)
        # What is imported here needs NumPy, which takes long to import.
        bans = self._bans_of(prompt, options) if options.bans else None
        if options.grammar is None:
            from .candidates import array_sampler

            return array_sampler(context, prompt, options, seed, top, bans)
        from .constrained import constrained_sampler

        constraint = self._constraint_of(options.grammar)
        return constrained_sampler(context, prompt, options, seed, constraint, top, bans)

    def _bans_of(self, prompt: Sequence[int], options: GenerationOptions) -> "Bans":
        from .bans import BannedTexts, Bans

        model = self._context.model
        if options.ban and (self._banned is None or self._banned.texts != options.ban):
            self._banned = BannedTexts(model, options.ban)
        return Bans(model, prompt, options, self._banned if options.ban else None)

    def _constraint_of(self, grammar: str) -> "Constraint":
        if self._constraint is None or self._constraint.text != grammar:
            from .constrained import Constraint

            self._constraint = Constraint(self._context.model, grammar)
        return self._constraint
