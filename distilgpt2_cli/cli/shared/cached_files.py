"""The downloaded files that a command works on."""

from ...errors import ModelUnavailableError
from ...models import ModelFile, ModelReference, cached_files, find
from ...terminal import Terminal
from .model_options import CacheOptions


def chosen(terminal: Terminal, options: CacheOptions) -> list[tuple[ModelReference, ModelFile]]:
    """Return the downloaded files that the options name.

    Raises:
        UsageError: a name is not valid.
        ModelUnavailableError: a file that the options name is not downloaded.
    """
    if options.every:
        found = cached_files(options.repository, options.revision)
        if not found:
            terminal.notice("No downloaded files found.")
        return found
    files = [(reference, find(reference)) for reference in options.references()]
    for reference, file in files:
        if file is None:
            raise ModelUnavailableError(
                f"{reference.quantization} of {reference.repository} is not downloaded.",
                f"Run `{reference.download_command}`.",
            )
    return [(reference, file) for reference, file in files if file is not None]
