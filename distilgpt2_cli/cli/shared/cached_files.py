"""Options of the commands that work on what is downloaded, and what they choose."""

from typing import Annotated

import typer

from ...errors import ModelUnavailableError, UsageError
from ...models import ModelFile, ModelReference, cached_files, find
from ...models.catalog import DEFAULT_QUANTIZATION
from ...terminal import Terminal

All = Annotated[bool, typer.Option("--all", help="Every quantization that is downloaded.")]


def chosen(
    terminal: Terminal, quant: list[str] | None, every: bool, repo: str, revision: str | None
) -> list[tuple[ModelReference, ModelFile]]:
    """Return the downloaded files that the options name.

    Raises:
        UsageError: the options exclude each other, or name what can't be.
        ModelUnavailableError: a quantization that is named is not downloaded.
    """
    if quant and every:
        raise UsageError("--quant and --all can't be combined.", "Use one of them.")
    if every:
        found = cached_files(repo, revision)
        if not found:
            terminal.notice("Nothing is downloaded.")
        return found
    references = [ModelReference(name, repo, revision) for name in quant or [DEFAULT_QUANTIZATION]]
    files = [(reference, find(reference)) for reference in references]
    for reference, file in files:
        if file is None:
            raise ModelUnavailableError(
                f"{reference.quantization} of {reference.repository} is not downloaded.",
                f"See `distil models`, or run `{reference.download_command}`.",
            )
    return [(reference, file) for reference, file in files if file is not None]
