"""All figures of the comparison of a model with the reference."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...terminal import Terminal
from ..shared.record import finite
from .result import Result

if TYPE_CHECKING:
    from ...engine import Estimate, ReferenceComparison, Spread

_QUANTILES = {
    "maximum": "maximum", "p99_9": "99.9%", "p99": "99%", "p95": "95%", "p90": "90%",
    "p75": "75%", "median": "median", "p25": "25%", "p10": "10%", "p5": "5%", "p1": "1%",
    "p0_1": "0.1%", "minimum": "minimum",
}  # fmt: skip
_ESTIMATES = ("reference_perplexity", "difference", "ratio", "log_ratio", "same_top")
_ERROR = "standard_error"

COMPARISON_COLUMNS = (
    "reference",
    "compared_tokens",
    *(f"{name}{end}" for name in _ESTIMATES for end in ("", f"_{_ERROR}")),
    "correlation",
    *(f"divergence_{name}" for name in ("mean", f"mean_{_ERROR}", *_QUANTILES)),
    *(
        f"delta_p_{name}"
        for name in ("mean", f"mean_{_ERROR}", "rms", f"rms_{_ERROR}", *_QUANTILES)
    ),
)
"""The columns that a comparison adds to a table."""


def comparison_record(result: Result) -> dict[str, Any] | None:
    """Return the figures of a comparison; None if they are not wanted, or there is none."""
    found = _found(result)
    if found is None:
        return None
    reference, comparison, spread = found
    return {
        "reference": reference,
        "tokens": comparison.tokens,
        **{name: _estimate(getattr(comparison, name)) for name in _ESTIMATES},
        "correlation": comparison.correlation,
        "divergence": {"mean": _estimate(comparison.divergence), **spread.divergence},
        "delta_p": {
            "mean": _estimate(comparison.delta_p),
            "rms": _estimate(comparison.delta_p_rms),
            **spread.delta_p,
        },
    }


def comparison_row(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the figures of a record under the names of `COMPARISON_COLUMNS`."""
    if record is None:
        return dict.fromkeys(COMPARISON_COLUMNS)
    return _flat(record) | {"compared_tokens": record["tokens"]}


def write_comparison(terminal: Terminal, result: Result) -> None:
    """Print the figures of a comparison one below the other."""
    found = _found(result)
    if found is None:
        return
    reference, comparison, spread = found
    terminal.write_heading(f"{result.file.name} compared with {reference}")
    cut = result.cut
    terminal.write(
        f"\ntokens                {comparison.tokens}, in windows of {cut.window}, one every"
        f" {cut.stride}\n"
        f"reference perplexity  {_with_error(comparison.reference_perplexity, '.6f')}\n"
        f"difference            {_with_error(comparison.difference, '.6f')}\n"
        f"ratio                 {_with_error(comparison.ratio, '.6f')}\n"
        f"log ratio             {_with_error(comparison.log_ratio, '.6f')}\n"
        f"correlation           {_correlation(comparison)}\n"
        f"same top              {_percent(comparison.same_top)}\n\n"
    )
    terminal.write_table(("", "DIVERGENCE", "DELTA P"), _rows(comparison, spread))


def _found(result: Result) -> "tuple[str, ReferenceComparison, Spread] | None":
    comparison = result.figures.comparison
    if comparison is None or result.spread is None or result.reference is None:
        return None
    return result.reference.name, comparison, result.spread


def _rows(comparison: "ReferenceComparison", spread: "Spread") -> list[tuple[str, str, str]]:
    quantiles = [
        (label, f"{spread.divergence[name]:.6f}", f"{100 * spread.delta_p[name]:.3f}%")
        for name, label in _QUANTILES.items()
    ]
    return [
        ("mean", _with_error(comparison.divergence, ".6f"), _percent(comparison.delta_p)),
        ("rms", "-", _percent(comparison.delta_p_rms)),
        *quantiles,
    ]


def _correlation(comparison: "ReferenceComparison") -> str:
    return "-" if comparison.correlation is None else f"{comparison.correlation:.4%}"


def _percent(share: "Estimate") -> str:
    error = "" if share.standard_error is None else f" ± {100 * share.standard_error:.3f}%"
    return f"{100 * share.value:.3f}%{error}"


def _with_error(figure: "Estimate", form: str) -> str:
    error = "" if figure.standard_error is None else f" ± {figure.standard_error:{form}}"
    return f"{figure.value:{form}}{error}"


def _estimate(figure: "Estimate") -> dict[str, float | None]:
    return {"value": finite(figure.value), _ERROR: finite(figure.standard_error)}


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without objects within it: their names are joined."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= {
                f"{name}_{inner}".removesuffix("_value"): each
                for inner, each in _flat(value).items()
            }
        else:
            flat[name] = value
    return flat
