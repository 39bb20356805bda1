"""``distil models``: the quantizations of DistilGPT2."""

from ..models import DEMO, ModelFile, ModelReference, demo, find
from ..models.catalog import CATALOG, DEFAULT_QUANTIZATION, REPOSITORY, REVISION, CatalogEntry
from ..terminal import Terminal
from ..units import format_bytes
from .shared.csv_table import CsvTable
from .shared.options import FormatOptions, Quiet
from .shared.record import file_record

EXAMPLES = """\b
Examples:
  distil models
  distil models --json | jq -r 'select(.downloaded) | .path'
"""


def models(*, output: FormatOptions, quiet: Quiet = False) -> None:
    """List the quantizations of DistilGPT2, and show which are downloaded.

    A file counts as downloaded if the Hugging Face cache has it at the commit that distil knows.
    The small bundled model, --model demo, needs no download. The Hub is not contacted.
    """
    terminal = Terminal.system(quiet=quiet)
    listed = [(entry, find(ModelReference(entry.quantization))) for entry in CATALOG]
    if output.json or output.csv:
        records = [*(_record(entry, file) for entry, file in listed), _bundled_record()]
        if output.csv:
            CsvTable(terminal, list(records[0])).write(records)
        else:
            for record in records:
                terminal.write_json(record)
        return
    terminal.write_table(
        ("QUANT", "BITS", "SIZE", "DOWNLOADED", ""),
        [_row(entry, file) for entry, file in listed],
    )
    terminal.write("\n")
    terminal.write_line(
        f"The small bundled model ({format_bytes(demo().size)}) needs no download: --model {DEMO}"
    )


def _row(entry: CatalogEntry, file: ModelFile | None) -> tuple[str, ...]:
    return (
        entry.quantization,
        f"{entry.bits:>4}",
        f"{format_bytes(entry.size):>8}",
        "yes" if file else "no",
        "default" if entry.quantization == DEFAULT_QUANTIZATION else "",
    )


def _record(entry: CatalogEntry, file: ModelFile | None) -> dict[str, object]:
    return {
        "quantization": entry.quantization,
        "bits": entry.bits,
        "name": entry.name,
        "path": str(file.path) if file else None,
        "repository": REPOSITORY,
        "revision": REVISION,
        "sha256": entry.sha256,
        "size": entry.size,
        "downloaded": file is not None,
        "default": entry.quantization == DEFAULT_QUANTIZATION,
        "bundled": False,
    }


def _bundled_record() -> dict[str, object]:
    file = demo()
    return {
        "quantization": None,
        "bits": None,
        **file_record(file),
        "size": file.size,
        "downloaded": True,
        "default": False,
        "bundled": True,
    }
