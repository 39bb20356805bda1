"""The figures of ``distil perplexity``, as lines, as a table, as CSV, or as JSON Lines."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...terminal import Terminal
from ...units import format_bytes
from ..shared.adapters import name_with_adapters
from ..shared.csv_table import CsvTable
from ..shared.record import finite, model_record, placement_record, versions_record
from .comparison import COMPARISON_COLUMNS, comparison_record, comparison_row, write_comparison
from .result import Result

if TYPE_CHECKING:
    from ...engine import Perplexity


def write_report(terminal: Terminal, results: Sequence[Result]) -> None:
    """Print one model's figures one per line, several models' as a table.

    All figures of a comparison follow, where they are known.
    """
    if len(results) == 1:
        terminal.write(_lines(results[0].figures))
    else:
        best = min(result.figures.value for result in results)
        terminal.write_table(_HEADER, [_row(result, best) for result in results])
    for result in results:
        if result.spread:
            terminal.write("\n")
            write_comparison(terminal, result)


def write_csv(terminal: Terminal, results: Sequence[Result], *, compare: bool) -> None:
    """Print a table with one row per model, and with all figures of a comparison or without."""
    table = CsvTable(terminal, (*_COLUMNS, *(COMPARISON_COLUMNS if compare else ())))
    for result, record in zip(results, records(results), strict=True):
        tokens = record["tokens"]
        counts = {"tokens": tokens["scored"], "evaluated_tokens": tokens["evaluated"]}
        row = record | record["timings"] | counts | {"name": result.file.name}
        table.write([row | comparison_row(record["comparison"])])


def write_json(terminal: Terminal, results: Sequence[Result]) -> None:
    """Print one object per model."""
    for result, record in zip(results, records(results), strict=True):
        about = {
            "model": model_record(result.file),
            "placement": placement_record(result.placement),
            "warnings": list(result.placement.warnings),
            "versions": versions_record(),
        }
        terminal.write_json(record | about)


def records(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """Yield the figures of each model."""
    best = min(result.figures.value for result in results)
    for result in results:
        figures = result.figures
        yield {
            "perplexity": finite(figures.value),
            "standard_error": finite(figures.standard_error),
            "bits_per_byte": figures.bits_per_byte,
            "mean_logprob": figures.mean_logprob,
            "tokens": {"scored": figures.tokens, "evaluated": figures.evaluated_tokens},
            "difference_to_best": finite(figures.value - best),
            "divergence": figures.comparison.mean_divergence if figures.comparison else None,
            "top_agreement": figures.comparison.top_agreement if figures.comparison else None,
            "timings": {
                "prompt_seconds": round(figures.seconds, 6),
                "prompt_tokens_per_second": round(figures.tokens_per_second, 1),
            },
            "size": result.file.size,
            "window": result.cut.window,
            "stride": result.cut.stride,
            "method": result.cut.method,
            "comparison": comparison_record(result),
        }


_COLUMNS = (
    "name", "size", "perplexity", "standard_error", "bits_per_byte", "mean_logprob", "tokens",
    "evaluated_tokens", "difference_to_best", "divergence", "top_agreement", "prompt_seconds",
    "prompt_tokens_per_second", "window", "stride", "method",
)  # fmt: skip


def _lines(figures: "Perplexity") -> str:
    return (
        f"tokens          {figures.tokens}\n"
        f"perplexity      {_with_error(figures)}\n"
        f"bits per byte   {figures.bits_per_byte:.4f}\n"
        f"tokens/s        {figures.tokens_per_second:.0f}\n"
    )


_HEADER = (
    "MODEL", "SIZE", "PERPLEXITY", "VS BEST", "DIVERGENCE", "SAME TOP", "BITS/BYTE", "TOKENS/S",
)  # fmt: skip


def _row(result: Result, best: float) -> tuple[str, ...]:
    figures = result.figures
    return (
        *name_cells(result),
        f"+{figures.value - best:.4f}",
        *comparison_cells(result),
        f"{figures.bits_per_byte:.4f}",
        f"{figures.tokens_per_second:.0f}",
    )


def name_cells(result: Result) -> tuple[str, str, str]:
    """Return the cells for a model's name, its size and its perplexity."""
    name = name_with_adapters(result.file)
    return name, format_bytes(result.file.size), _with_error(result.figures)


def comparison_cells(result: Result) -> tuple[str, str]:
    """Return the cells for the mean divergence and the agreement on the most likely token."""
    found = result.figures.comparison
    if found is None:
        return "-", "-"
    return f"{found.mean_divergence:.5f}", f"{found.top_agreement:.2%}"


def _with_error(figures: "Perplexity") -> str:
    error = figures.standard_error
    return f"{figures.value:.4f}" + ("" if error is None else f" ± {error:.4f}")
