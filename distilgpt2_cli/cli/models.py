"""``distil models``: the quantizations of DistilGPT2, and imported models."""

import os
from collections.abc import Iterator

from ..models import DEMO, ModelFile, ModelReference, demo, find, imported, local
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
    """List the quantizations of DistilGPT2, and imported models, and show which are downloaded.

    A file counts as downloaded if the Hugging Face cache has it at the commit that distil knows.
    The small bundled model, --model demo, needs no download. The Hub is not contacted.
    """
    terminal = Terminal.system(quiet=quiet)
    listed = [(entry, find(ModelReference(entry.quantization))) for entry in CATALOG]
    if output.json or output.csv:
        records = [
            *(_record(entry, file) for entry, file in listed),
            _bundled_record(),
            *(_imported_record(*each) for each in _imported()),
        ]
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
    own = list(_imported())
    if own:
        terminal.write("\n")
        terminal.write_table(
            ("IMPORTED", "QUANT", "SIZE", ""),
            [
                (name, label or "", f"{format_bytes(file.size):>8}", _option(name, label))
                for name, label, file in own
            ],
        )


def _imported() -> Iterator[tuple[str, str | None, ModelFile]]:
    """Yield the name, the quantization and the file of all that was imported."""
    for name in imported.imported(os.environ):
        for label, path in imported.files(os.environ, name).items():
            yield name, label, local(path)


def _option(name: str, label: str | None) -> str:
    """Return the option that uses a model, or an adapter."""
    return f"--model {name}" if label else f"--lora {name}"


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
        **_KIND,
        "default": entry.quantization == DEFAULT_QUANTIZATION,
    }


_KIND: dict[str, object] = {
    "default": False,
    "bundled": False,
    "imported": None,
    "adapter": False,
}


def _bundled_record() -> dict[str, object]:
    return _own_record(None, demo()) | {"bundled": True}


def _imported_record(name: str, label: str | None, file: ModelFile) -> dict[str, object]:
    return _own_record(label, file) | {"imported": name, "adapter": label is None}


def _own_record(label: str | None, file: ModelFile) -> dict[str, object]:
    return {
        "quantization": label,
        "bits": None,
        **file_record(file),
        "size": file.size,
        "downloaded": True,
        **_KIND,
    }
