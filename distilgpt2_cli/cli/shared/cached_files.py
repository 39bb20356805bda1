"""The downloaded files that a command works on."""

from ...errors import ModelUnavailableError
from ...models import (
    ModelFile,
    ModelReference,
    cached_files,
    cached_files_everywhere,
    find,
    incomplete_files,
)
from ...terminal import Terminal
from .model_options import CacheOptions


def chosen(terminal: Terminal, options: CacheOptions) -> list[tuple[ModelReference, ModelFile]]:
    """Return the downloaded files that the options name; those of all revisions with ``--all``.

    Raises:
        UsageError: a name is not valid.
        ModelUnavailableError: a file that the options name is not downloaded.
    """
    if options.every:
        found = _all(options)
        if not found:
            terminal.notice("No downloaded files found.")
        return found
    files = [(reference, find(reference)) for reference in options.references()]
    for reference, file in files:
        if file is None:
            raise _missing(reference, f"Run `{reference.download_command}`.")
    return [(reference, file) for reference, file in files if file is not None]


def chosen_with_parts(
    terminal: Terminal, options: CacheOptions
) -> tuple[list[tuple[ModelReference, ModelFile]], list[ModelFile]]:
    """Return the downloaded files that the options name, and what is left of interrupted downloads.

    Raises:
        UsageError: a name is not valid.
        ModelUnavailableError: there is nothing of a file that the options name.
    """
    if options.every:
        found, parts = _all(options), incomplete_files(options.repository)
        if not found and not parts:
            terminal.notice("No downloaded files found.")
        return found, parts
    found, parts = [], []
    for reference in options.references():
        file = find(reference)
        left = incomplete_files(reference.repository, reference.quantization)
        if file is None and not left:
            raise _missing(reference, "Run `distil models`, and check --repo and --revision.")
        found += [(reference, file)] if file else []
        parts += left
    return found, parts


def _all(options: CacheOptions) -> list[tuple[ModelReference, ModelFile]]:
    if options.revision is None:
        return cached_files_everywhere(options.repository)
    return cached_files(options.repository, options.revision)


def _missing(reference: ModelReference, remedy: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"{reference.quantization} of {reference.repository} is not downloaded.", remedy
    )
