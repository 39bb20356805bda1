"""The checks of ``distil doctor`` on what surrounds a run: folders and limits."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

from ...errors import DistilError
from ...failures import explained
from ...machine.installation import short_path
from ...models import hub_settings
from ...units import format_bytes
from .finding import Finding, State, failed

_DOWNLOAD_SPACE = 200e6  # bytes for the largest file, with its temporary files
_ENOUGH_FILES = 64  # descriptors; `distil serve` needs one for each connection
_ENOUGH_MEMORY = 1e9  # bytes of addresses, most of which are never used
_ANOTHER_FOLDER = "Check its owner and permissions, or set HF_HOME to another folder."


def limits() -> Finding:
    """Check the limits of this process, and the folders that programs take for granted."""
    found = list(_limits_reached())
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    facts = {"open_files": None if files == resource.RLIM_INFINITY else files}
    if found:
        return failed("limits", "note", *found, **facts)
    return Finding(
        "limits", "ok", f"{facts['open_files'] or 'any number of'} open files", facts=facts
    )


def _limits_reached() -> Iterator[DistilError]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _ENOUGH_FILES:
        yield DistilError(
            f"A process may open only {files} files.", "Raise the limit with `ulimit -n 256`."
        )
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    if memory != resource.RLIM_INFINITY and memory < _ENOUGH_MEMORY:
        yield DistilError(
            f"A process may have only {format_bytes(memory)} of memory.",
            "Raise the limit with `ulimit -v unlimited`.",
        )
    try:
        Thread(target=int).start()
    except RuntimeError as error:
        yield explained(error)
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        yield DistilError("The working folder was deleted.", "Change to another folder with cd.")
    wanted = os.environ.get("TMPDIR")
    if wanted and not os.access(wanted, os.W_OK | os.X_OK):
        yield DistilError(
            f"TMPDIR names {wanted}, which is not a folder that can be written.",
            "Name another folder, or unset it.",
        )
    try:
        tempfile.gettempdir()
    except OSError:
        yield DistilError(
            "There is no folder for temporary files.", "Name one that can be written in TMPDIR."
        )


def cache(state: State) -> Finding:
    """Check the folder of the Hugging Face cache; ``state`` is that of one that can't be used."""
    folder = hub_settings.cache_folder(os.environ)
    if not hub_settings.has_home(folder):
        remedy = "Set HOME, or name a folder for the cache in HF_HOME."
        return Finding("cache", state, "there is no home folder for it", remedy)
    shown = short_path(folder)
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        lacking = _lacking(there, is_cache=there == folder)
    except OSError as error:
        return Finding("cache", state, f"{shown}, not readable: {error.strerror}", _ANOTHER_FOLDER)
    found = {"folder": shown, "free_bytes": free}
    text = f"{shown}, {format_bytes(free)} free"
    if lacking:
        return Finding("cache", state, f"{text}, {lacking}", _ANOTHER_FOLDER, found)
    if free < _DOWNLOAD_SPACE:
        return Finding("cache", "note", text, "Free some disk space before you download.", found)
    return Finding("cache", "ok", text, facts=found)


def _lacking(there: Path, *, is_cache: bool) -> str:
    """Return what an existing folder lacks for the cache to be there, or below."""
    if not there.is_dir():
        return "not a folder"
    if is_cache and not os.access(there, os.R_OK | os.X_OK):
        return "not readable"
    return "" if os.access(there, os.W_OK | os.X_OK) else "not writable"
