"""The text that ``distil info`` shows."""

from ...engine.llama.gguf import Array, Scalar
from ...engine.llama.inspection import Inspection
from ...models.model_card import DISTILGPT2, ModelCard
from ...terminal import Terminal
from ...units import format_bytes
from .facts import ModelFacts

_LONGEST_VALUE = 200  # characters


def show(terminal: Terminal, facts: ModelFacts) -> None:
    """Show all that is known of a model file."""
    state = "" if facts.inspection else ": not downloaded"
    terminal.write_heading(f"{_shortened(str(facts.model['name']))}{state}")
    terminal.write_fields(_file_rows(facts))
    if facts.inspection:
        _show_inspection(terminal, facts, facts.inspection)
    if facts.card:
        _show_card(terminal, facts.card)


def _file_rows(facts: ModelFacts) -> list[tuple[str, str]]:
    size = facts.size
    values = {
        "path": facts.model["path"],
        "repository": facts.model["repository"],
        "revision": facts.model["revision"],
        "size": None if size is None else f"{format_bytes(size)} ({size:,} bytes)",
        "SHA-256": facts.model["sha256"],
        "to download": facts.download_command,
    }
    return [(label, value) for label, value in values.items() if value is not None]


def _show_inspection(terminal: Terminal, facts: ModelFacts, inspection: Inspection) -> None:
    _start_part(terminal, "Model")
    terminal.write_fields(_model_rows(facts, inspection))
    _start_part(terminal, f"Quantization: {facts.quantization or 'unknown'}")
    _show_types(terminal, inspection)
    _start_part(terminal, "Metadata")
    terminal.write_fields(
        [(_shortened(key), _shown(value)) for key, value in inspection.metadata.items()]
    )


def _model_rows(facts: ModelFacts, inspection: Inspection) -> list[tuple[str, str]]:
    metadata = inspection.metadata
    window = f"{inspection.context_window:,} tokens"
    if inspection.usable_window < inspection.context_window:
        window += f", of which distil uses {inspection.usable_window:,}"
    kinds = [str(metadata[key]) for key in _TOKENIZER_KEYS if key in metadata]
    stated, source = facts.license
    return [
        ("name", _shown(metadata.get("general.name", "not stated"))),
        ("architecture", inspection.architecture),
        ("parameters", _parameters(facts, inspection)),
        ("context window", window),
        ("layers", str(inspection.layers)),
        ("width", str(inspection.width)),
        ("heads", str(inspection.heads)),
        ("vocabulary", f"{inspection.vocabulary_size:,} tokens"),
        ("tokenizer", _shortened(f"{inspection.tokenizer} ({', '.join(kinds)})")),
        *(("warning", _shortened(warning)) for warning in inspection.warnings),
        ("licence", f"{_shortened(stated)} (from the {source})" if stated else "not stated"),
    ]


_TOKENIZER_KEYS = ("tokenizer.ggml.model", "tokenizer.ggml.pre")


def _parameters(facts: ModelFacts, inspection: Inspection) -> str:
    total = inspection.parameters
    text = f"{total:,} ({_rounded(total)})"
    if facts.card is not DISTILGPT2:
        return text
    output = sum(tensor.elements for tensor in inspection.tensors if tensor.name == "output.weight")
    own = total - output
    if not output:
        return text
    return (
        f"{text}, as llama.cpp counts: {own:,} ({_rounded(own)}) of DistilGPT2, and {output:,} of"
        " output.weight, which is separate in this file, and which DistilGPT2 shares with the token"
        " embedding"
    )


def _show_types(terminal: Terminal, inspection: Inspection) -> None:
    total = inspection.total
    rows = [
        (
            kind.type,
            str(kind.tensors),
            f"{kind.elements:,}",
            f"{kind.bytes:,}",
            f"{kind.bits_per_weight:.2f}",
        )
        for kind in (*inspection.tensor_types, total)
    ]
    header = ("TYPE", "TENSORS", "ELEMENTS", "BYTES", "BITS/WEIGHT")
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    table = [
        [row[0], *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in (header, *rows)
    ]
    terminal.write_table(table[0], table[1:])


def _show_card(terminal: Terminal, card: ModelCard) -> None:
    _start_part(terminal, f"{card.title}: summary")
    if card.source:
        terminal.write_paragraph(f"The full text is in {card.source}.")
    for section in card.sections.values():
        _start_part(terminal, section.title)
        for number, paragraph in enumerate(section.paragraphs):
            terminal.write("\n" if number else "")
            terminal.write_paragraph(paragraph)
        terminal.write_items(section.items)
    if card.citation:
        _start_part(terminal, "Citation")
        terminal.write_paragraph("`distil info --citation` prints the BibTeX entry.")


def _start_part(terminal: Terminal, title: str) -> None:
    terminal.write("\n")
    terminal.write_heading(title)


def _shown(value: Scalar | Array) -> str:
    """Return a value of the metadata; for a long array, its type and length."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return _shortened(str(value))
    if value.values is None:
        return f"array of {value.length:,} {value.type}"
    return _shortened(f"[{', '.join(map(_shown, value.values))}]")


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[:_LONGEST_VALUE]}… ({len(text):,} characters)"


def _rounded(count: int) -> str:
    """Return a count in thousands, millions or billions, such as 82M."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= size:
            number = count / size
            return f"{number:.0f}{unit}" if number >= 10 else f"{number:.1f}{unit}"
    return str(count)
