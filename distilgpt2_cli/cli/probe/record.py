"""The results of a probe as JSON."""

from dataclasses import asdict
from typing import Any

from ...engine import Placement
from ...probing.comparison import Comparison
from ...probing.paired import PairedTest
from ...probing.statistics import ALPHA_0, LEVEL, RESAMPLES
from ..shared.record import model_record, placement_record, versions_record
from .setup import Setup


def comparison_record(setup: Setup, comparison: Comparison) -> dict[str, Any]:
    """Return the one object of a comparison; lists by variant are in the order of ``variants``."""
    return {
        "template": setup.template,
        "variants": [
            {
                "choices": list(variant.choices),
                "prompt": variant.prompt,
                "tokens": {"prompt": tokens},
            }
            for variant, tokens in zip(comparison.variants, comparison.prompt_tokens, strict=True)
        ],
        "divergences": [
            {"variants": [each.first, each.second], "bits": each.bits}
            for each in comparison.divergences
        ],
        "next": [
            {
                "id": each.id,
                "text": each.piece.decode(errors="replace"),
                "bytes": list(each.piece),
                "logprobs": list(each.logprobs),
            }
            for each in comparison.next_tokens
        ],
        "continuations": [
            {"text": each.text, "tokens": each.tokens, "logprobs": list(each.logprobs)}
            for each in comparison.continuations
        ],
        "words": [
            {"variant": number, **asdict(each), "interval": list(each.interval)}
            for number, words in enumerate(comparison.words)
            for each in words
        ],
        "completions": [
            {
                "seed": each.seed,
                "texts": list(each.texts),
                "finish_reasons": list(each.finish_reasons),
                "tokens": list(each.tokens),
            }
            for each in comparison.samples
        ],
        "interrupted": comparison.interrupted,
        "seed": setup.seed,
        "num_sequences": setup.count,
        "options": asdict(setup.options) | {"parallel": setup.parallel},
        "statistics": {"alpha_0": ALPHA_0, "level": LEVEL, "resamples": RESAMPLES},
        "timings": {"generation_seconds": round(comparison.seconds, 6)},
        **_end(setup, comparison.placement),
    }


def pairs_record(setup: Setup, test: PairedTest) -> dict[str, Any]:
    """Return the one object of a test with pairs."""
    return {
        "preferences": [
            asdict(each)
            | {
                "interval": list(each.interval),
                "difference_interval": list(each.difference_interval),
            }
            for each in test.preferences
        ],
        "pairs": [
            {name: value for name, value in vars(each.pair).items() if name != "extra"}
            | dict(each.pair.extra)
            | {
                "more_logprob": each.more,
                "less_logprob": each.less,
                "difference": each.difference,
            }
            for each in test.scored
        ],
        "interrupted": test.interrupted,
        "seed": setup.seed,
        "statistics": {"level": LEVEL, "resamples": RESAMPLES},
        **_end(setup, test.placement),
    }


def _end(setup: Setup, placement: Placement) -> dict[str, Any]:
    return {
        "placement": placement_record(placement),
        "warnings": list(placement.warnings),
        "model": model_record(setup.file),
        "versions": versions_record(),
    }
