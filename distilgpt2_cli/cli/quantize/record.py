"""What ``distil quantize --json`` prints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...models import ModelFile, sha256
from ...terminal import Terminal
from ..perplexity.report import records
from ..shared.record import model_record, versions_record
from .result import Compared, Made


def write_json(
    terminal: Terminal,
    source: ModelFile,
    made: Made,
    found: Sequence[Compared] = (),
    text: str = "",
) -> None:
    """Print the object of a new file.

    Args:
        terminal: to print on.
        source: what it was made of.
        made: the file.
        found: the figures of all files, if they were compared.
        text: the name of the text that they were compared on.
    """
    figures = _figures(found)
    about = figures.get(made.file, {})
    if text:
        about["text"] = {"name": Path(text).name, "sha256": sha256(Path(text))}
    terminal.write_json(
        {
            "quantization": made.quantization,
            **model_record(made.file),
            "size": made.file.size,
            "pure": made.pure,
            "imatrix": made.importance.record() if made.importance else None,
            "notices": list(made.notices),
            "source": model_record(source) | {"size": source.size} | figures.get(source, {}),
            **about,
            "versions": versions_record(),
        }
    )


def _figures(found: Sequence[Compared]) -> dict[ModelFile, dict[str, Any]]:
    """Return the record of each file's figures."""
    results = [each.result for each in found]
    pairs = zip(found, records(results), strict=True) if found else ()
    figures = {}
    for each, record in pairs:
        comparison = each.result.figures.comparison
        speed = each.speed and round(each.speed.median, 1)
        record["timings"]["generation_tokens_per_second"] = speed
        record["visible_loss"] = comparison.can_be_told_apart if comparison else None
        figures[each.result.file] = record
    return figures
