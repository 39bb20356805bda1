"""``distil verify``: checks downloaded files against their hashes."""

from typing import Annotated

import typer

from ..errors import ModelDamagedError, UsageError
from ..models import ModelFile, ModelReference, download, is_intact
from ..models.catalog import REPOSITORY
from ..models.published import PUBLISHED, PublishedText
from ..terminal import Terminal
from ..terminal.progress import CHECK
from .shared.cached_files import chosen
from .shared.model_options import CacheOptions
from .shared.options import Json, Quiet
from .shared.record import file_record

EXAMPLES = """\b
Examples:
  distil verify
  distil verify --all --repair
  distil verify Q8_0 --json | jq .state
  distil verify --compute
"""


def verify(
    *,
    which: CacheOptions,
    repair: Annotated[bool, typer.Option("--repair", help="Download damaged files again.")] = False,
    compute: Annotated[
        bool,
        typer.Option(
            "--compute", help="Compute with the files, and compare with published figures."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check downloaded files against their hashes.

    The hashes are those of distil's catalog, or those in the names of the Hugging Face cache's
    files. Only --repair needs a network. --compute scores three sentences whose surprisals others
    have published for DistilGPT2, and says how far the file is from them.
    """
    terminal = Terminal.system(quiet=quiet)
    if compute and which.repository != REPOSITORY:
        raise UsageError(
            "--compute knows figures of DistilGPT2 only.", f"Leave out --repo {which.repository}."
        )
    damaged: list[ModelReference] = []
    for reference, file in chosen(terminal, which):
        with terminal.progress(file.name, file.size, CHECK) as advance:
            intact = is_intact(reference, file, advance)
        if intact is False and repair:
            file = download(reference, progress=terminal.progress, notice=terminal.notice)
            state = "repaired"
        else:
            state = {True: "intact", False: "damaged", None: "unknown"}[intact]
        found = _computed(file) if compute and state != "damaged" else []
        _show(terminal, reference, file, state, found, json)
        if state == "damaged":
            damaged.append(reference)
    if damaged:
        names = ", ".join(reference.quantization for reference in damaged)
        raise ModelDamagedError(
            f"Damaged: {names}.",
            "Run the same command with --repair.",
        )


def _computed(file: ModelFile) -> list[tuple[PublishedText, list[float]]]:
    """Return published texts, each with what a file gives instead of the figures.

    Raises:
        DistilError: llama.cpp can't load the file, or compute with it.
    """
    from ..engine import open_evaluator
    from ..engine.evaluate.scoring import surprisals as surprisals_of

    with open_evaluator(file.path) as evaluator:
        return [
            (text, surprisals_of(evaluator, text.text, starts_alone=text.starts_alone))
            for text in PUBLISHED
        ]


def _show(
    terminal: Terminal,
    reference: ModelReference,
    file: ModelFile,
    state: str,
    found: list[tuple[PublishedText, list[float]]],
    json: bool,
) -> None:
    if json:
        record = {"quantization": reference.quantization, **file_record(file), "size": file.size}
        computed = [
            {
                "text": text.text,
                "source": text.source,
                "published": text.surprisals,
                "found": _comparable(text, surprisals),
                "difference": _difference(text, surprisals),
            }
            for text, surprisals in found
        ]
        terminal.write_json(record | {"state": state} | ({"computed": computed} if found else {}))
        return
    terminal.write_line(f"{reference.quantization}: {state}: {file.path}")
    for text, surprisals in found:
        terminal.write_line(f'{reference.quantization}: "{text.text}" {_told(text, surprisals)}')


def _told(text: PublishedText, surprisals: list[float]) -> str:
    difference = _difference(text, surprisals)
    if difference is None:
        return f"has other tokens than in {text.source}"
    what = "a token's surprisal" if len(text.surprisals) > 1 else "the sum of surprisals"
    return f"is {difference:.3f} nats off in {what} ({text.source})"


def _comparable(text: PublishedText, surprisals: list[float]) -> list[float]:
    return surprisals if len(text.surprisals) > 1 else [sum(surprisals)]


def _difference(text: PublishedText, surprisals: list[float]) -> float | None:
    """Return the largest difference, in nats; None if there are not as many figures."""
    pairs = list(zip(_comparable(text, surprisals), text.surprisals, strict=False))
    if len(pairs) != len(_comparable(text, surprisals)) or len(pairs) != len(text.surprisals):
        return None
    return max(abs(found - published) for found, published in pairs)
