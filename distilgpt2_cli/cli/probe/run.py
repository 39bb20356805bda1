"""Runs a probe with its progress, and shows its results, also those of an interrupted one."""

import time
from collections.abc import Callable, Sequence

from ...engine.llama.loading import load_ahead
from ...probing.comparison import (
    Comparison,
    Completions,
    Continuation,
    compare_words,
    evaluate,
    longest_of,
    seeds_from,
)
from ...probing.paired import PairedTest, ScoredPair, longest_pair, summarize
from ...probing.pairs import Pair
from ...probing.template import Variant
from ...signals import results_pending
from ...terminal import Terminal
from ...terminal.progress import Advance
from ...workers.chunks import Listed
from ...workers.run import Run
from ..shared.adapters import adapted
from ..shared.offload import notice_loading
from ..tasks.probe import Completed, CompletionsTask, Texts, TextScore, TextsTask
from .output import Output
from .setup import Setup

_TEXTS = 32  # groups of texts in a chunk
_WORTH_TEXTS, _WORTH_TOKENS = 512, 4000  # that take longer than the start of processes


def run_comparison(output: Output, setup: Setup, variants: Sequence[Variant]) -> None:
    """Compare the variants and show the results, also if interrupted."""
    comparison = Comparison(variants)
    seeds = seeds_from(setup.seed, setup.count)
    terminal, texts = output.terminal, setup.continuations
    model = load_ahead(adapted(setup.file), setup.offload)
    if seeds:
        output.notice_seed(setup)
    longest = longest_of(model, texts)
    size = model.window

    def measure(advance: Advance) -> None:
        evaluate(model, comparison, setup.top, setup.threads)
        advance(len(variants))
        if texts:
            _score_continuations(setup, comparison, longest, advance)

    def complete(advance: Advance) -> None:
        limit = setup.options.max_tokens
        fitting = size if limit < 0 else min(size, max(comparison.prompt_tokens) + limit)
        _complete(setup, comparison, seeds, fitting, advance)

    total = len(variants) * (1 + len(texts))
    interrupt = _interrupted(terminal, "texts", total, measure)
    if seeds and not interrupt:
        interrupt = _interrupted(terminal, "completions", len(variants) * len(seeds), complete)
    if interrupt and not comparison.divergences:
        raise interrupt
    notice_loading(terminal, comparison.placement)
    comparison.interrupted = interrupt is not None
    compare_words(comparison, setup.top, setup.seed)
    output.show_comparison(setup, comparison)
    if interrupt:
        raise interrupt


def run_pairs(output: Output, setup: Setup, pairs: list[Pair]) -> None:
    """Score the pairs and show the results, also if interrupted."""
    test = PairedTest()
    longest = longest_pair(load_ahead(adapted(setup.file), setup.offload), pairs)
    output.notice_seed(setup)

    def score(advance: Advance) -> None:
        with _scoring(setup, longest, [pair.sides for pair in pairs]) as run:
            test.placement = run.placement
            for pair, (more, less) in zip(pairs, run.results(), strict=True):
                test.scored.append(ScoredPair(pair, more.logprob, less.logprob))
                advance(1)

    interrupt = _interrupted(output.terminal, "pairs", len(pairs), score)
    notice_loading(output.terminal, test.placement)
    test.interrupted = interrupt is not None
    if test.scored:
        summarize(test, setup.seed)
        output.show_pairs(setup, test)
    if interrupt:
        raise interrupt


def _score_continuations(
    setup: Setup, comparison: Comparison, longest: int, advance: Advance
) -> None:
    """Score each continuation after each prompt, each alone as ``distil score`` does."""
    prompts = [variant.prompt for variant in comparison.variants]
    groups = [[(prompt, text) for prompt in prompts] for text in setup.continuations]
    with _scoring(setup, max(comparison.prompt_tokens) + longest, groups) as run:
        for text, scores in zip(setup.continuations, run.results(), strict=True):
            logprobs = tuple(score.logprob for score in scores)
            comparison.continuations.append(Continuation(text, scores[0].tokens, logprobs))
            advance(len(prompts))


def _scoring(setup: Setup, longest: int, groups: Sequence[Texts]) -> Run[Texts, list[TextScore]]:
    task = TextsTask(adapted(setup.file), longest, setup.threads, setup.offload)
    chunks = [list(groups[start : start + _TEXTS]) for start in range(0, len(groups), _TEXTS)]
    worth = setup.workers.count is not None or sum(map(len, groups)) >= _WORTH_TEXTS
    return Run(task, Listed(chunks, worth_workers=worth), setup.workers)


def _complete(
    setup: Setup, comparison: Comparison, seeds: Sequence[int], size: int, advance: Advance
) -> None:
    """Complete every variant with every seed, one block of seeds after another.

    If it is interrupted, the seeds for which all variants were completed are kept.
    """
    completions = Completions(comparison.variants, seeds)
    prompts = tuple(variant.prompt for variant in comparison.variants)
    parallel = setup.parallel
    task = CompletionsTask(
        adapted(setup.file), prompts, setup.options, size, parallel, setup.threads, setup.offload
    )
    places = list(enumerate(seeds))
    chunks = [places[start : start + parallel] for start in range(0, len(places), parallel)]
    tokens = setup.options.max_tokens * len(places) * len(prompts)
    worth = setup.workers.count is not None or not 0 <= tokens < _WORTH_TOKENS
    source = Listed(chunks, worth_workers=worth)
    run: Run[tuple[int, int], Completed] = Run(task, source, setup.workers)
    start = time.perf_counter()

    def add(completed: Completed) -> None:
        place = completed.variant, completed.seed_index
        completions.add(place, completed.text, completed.finish_reason, completed.tokens)
        advance(1)

    try:
        with run:
            comparison.placement = run.placement
            try:
                for completed in run.results():
                    add(completed)
            except KeyboardInterrupt:
                for completed in run.interrupted():
                    add(completed)
                raise
    finally:
        comparison.samples = completions.samples()
        comparison.seconds = time.perf_counter() - start


def _interrupted(
    terminal: Terminal, name: str, total: int, work: Callable[[Advance], None]
) -> KeyboardInterrupt | None:
    """Do some work and show its progress; return the interrupt, None if there was none."""
    try:
        with terminal.counting(name, total) as advance, results_pending():
            work(advance)
    except KeyboardInterrupt as interrupt:
        return interrupt
    return None
