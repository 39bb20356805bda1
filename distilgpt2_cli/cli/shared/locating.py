"""The model file of a command: found in the cache, or else downloaded, with what is said of it."""

import os

from ...errors import DistilError, ModelUnavailableError
from ...models import ModelFile, ModelReference, cached_files, download, find
from ...models.hub_settings import is_offline
from ...terminal import Terminal


def located(
    terminal: Terminal, chosen: ModelFile | ModelReference, *, offline: bool, named: bool
) -> ModelFile:
    """Return a model file, downloaded if it is missing.

    Another quantization that is downloaded is named, and never used in its place: the text of a
    command depends on its options alone.

    Args:
        terminal: for notices.
        chosen: the file, or which one it is on the Hub.
        offline: nothing may be downloaded.
        named: a person has chosen the quantization, which else is the default.

    Raises:
        ModelUnavailableError: it is missing, and can't be downloaded.
        DistilError: the cache can't be read or written.
    """
    if isinstance(chosen, ModelFile):
        return chosen
    file = find(chosen)
    if file is not None:
        return file
    here = _downloaded(chosen)
    instead = f"--quant {here[0]}, which is downloaded" if here else "--model demo"
    if offline or is_offline(os.environ):
        raise ModelUnavailableError(
            f"{chosen.quantization} of {chosen.repository} is not downloaded, and distil is in"
            " offline mode.",
            f"Use {instead}, or run `{chosen.download_command}` when you are online.",
        )
    if here and not named:
        terminal.notice(
            f"{chosen.quantization} is the default, and is downloaded now. To use"
            f" {' or '.join(here)}, which is downloaded already, set --quant or DISTIL_QUANT."
        )
    try:
        return download(chosen, progress=terminal.progress, notice=terminal.notice)
    except ModelUnavailableError as error:
        remedy = f"{error.remedy} Without a network, use {instead}."
        raise ModelUnavailableError(error.what, remedy) from error


def _downloaded(wanted: ModelReference) -> list[str]:
    """Return the quantizations of the same model that are in the cache, the best one first."""
    try:
        found = cached_files(wanted.repository, wanted.revision)
    except DistilError:
        return []
    by_size = sorted(found, key=lambda each: each[1].size, reverse=True)
    return [reference.quantization for reference, _ in by_size]
