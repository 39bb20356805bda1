"""The results of a probe as CSV tables."""

from collections.abc import Iterable, Sequence
from typing import Any

from ...probing.comparison import Comparison
from ...probing.paired import PairedTest
from ...tables import csv_line


def comparison_table(name: str, comparison: Comparison) -> str:
    """Return the table of this name."""
    variants = comparison.variants
    numbers = range(len(variants))
    if name == "completions":
        return _table(
            ("seed", "variant", "prompt", "text", "finish_reason", "tokens"),
            (
                (
                    sample.seed,
                    variants[i].letter,
                    variants[i].prompt,
                    sample.texts[i],
                    sample.finish_reasons[i],
                    sample.tokens[i],
                )
                for sample in comparison.samples
                for i in numbers
            ),
        )
    if name == "words":
        return _table(
            ("variant", "prompt", "word", "count", "other_count", "log_odds", "low", "high", "z"),
            (
                (
                    variants[i].letter,
                    variants[i].prompt,
                    each.word,
                    each.count,
                    each.other_count,
                    each.log_odds,
                    *each.interval,
                    each.z,
                )
                for i, words in enumerate(comparison.words)
                for each in words
            ),
        )
    if name == "next":
        return _table(
            ("variant", "prompt", "id", "text", "bytes", "logprob"),
            (
                (
                    variants[i].letter,
                    variants[i].prompt,
                    each.id,
                    each.piece.decode(errors="replace"),
                    list(each.piece),
                    each.logprobs[i],
                )
                for i in numbers
                for each in comparison.next_tokens
            ),
        )
    if name == "divergences":
        return _table(
            ("variant", "other", "bits"),
            (
                (variants[each.first].letter, variants[each.second].letter, each.bits)
                for each in comparison.divergences
            ),
        )
    return _table(
        ("variant", "prompt", "continuation", "tokens", "logprob"),
        (
            (variants[i].letter, variants[i].prompt, each.text, each.tokens, each.logprobs[i])
            for each in comparison.continuations
            for i in numbers
        ),
    )


def pairs_table(name: str, test: PairedTest) -> str:
    """Return the table of this name."""
    if name == "pairs":
        return _table(
            (
                "line", "type", "prompt", "more", "less", "continuation",
                "more_logprob", "less_logprob", "difference", *test.extra_names,
            ),
            (
                (
                    each.pair.line, each.pair.type, each.pair.prompt, each.pair.more,
                    each.pair.less, each.pair.continuation, each.more, each.less, each.difference,
                    *(each.pair.extra.get(name) for name in test.extra_names),
                )
                for each in test.scored
            ),
        )  # fmt: skip
    return _table(
        (
            "type", "pairs", "preferred", "ties", "share", "low", "high",
            "mean_difference", "difference_low", "difference_high",
        ),
        (
            (
                each.type, each.pairs, each.preferred, each.ties, each.share, *each.interval,
                each.mean_difference, *each.difference_interval,
            )
            for each in test.preferences
        ),
    )  # fmt: skip


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return ",".join(header) + "\n" + "".join(map(csv_line, rows))
