"""Runs a probe with its progress, and shows its results, also those of an interrupted one."""

from collections.abc import Callable, Sequence

from ...engine.llama.loading import load
from ...probing.comparison import Comparison, compare_words, complete, evaluate, seeds_from
from ...probing.paired import PairedTest, score_pairs, summarize
from ...probing.pairs import Pair
from ...probing.template import Variant
from ...signals import results_pending
from ...terminal import Terminal
from ...terminal.progress import Advance
from ..shared.offload import notice_loading
from .output import Output
from .setup import Setup


def run_comparison(output: Output, setup: Setup, variants: Sequence[Variant]) -> None:
    """Compare the variants and show the results, also if interrupted."""
    comparison = Comparison(variants)
    seeds = seeds_from(setup.seed, setup.count)
    terminal, texts = output.terminal, setup.continuations
    with load(setup.file.path, setup.offload) as loaded:
        if seeds:
            output.notice_seed(setup)
        interrupt = _interrupted(
            terminal,
            "texts",
            len(variants) * (1 + len(texts)),
            lambda advance: evaluate(loaded, comparison, texts, setup.top, setup.threads, advance),
        ) or _interrupted(
            terminal,
            "completions",
            len(variants) * len(seeds),
            lambda advance: complete(
                loaded,
                comparison,
                setup.options,
                seeds,
                parallel=setup.parallel,
                threads=setup.threads,
                advance=advance,
            ),
        )
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
    with load(setup.file.path, setup.offload) as loaded:
        output.notice_seed(setup)
        interrupt = _interrupted(
            output.terminal,
            "pairs",
            len(pairs),
            lambda advance: score_pairs(
                loaded, pairs, test, threads=setup.threads, advance=advance
            ),
        )
    notice_loading(output.terminal, test.placement)
    test.interrupted = interrupt is not None
    if test.scored:
        summarize(test, setup.seed)
        output.show_pairs(setup, test)
    if interrupt:
        raise interrupt


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
