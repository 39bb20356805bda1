"""The environment variables of the Hugging Face libraries, read here before those read them.

huggingface-hub reads them when it is imported, and fails without naming the one that is wrong; and
to find a file in the cache, nothing but the folder of the cache is needed.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import DistilError, ModelUnavailableError
from . import certificates, proxies
from .proxies import without_password

_TRUE = ("1", "on", "yes", "true")
_FALSE = ("", "0", "off", "no", "false")
_LEVELS = ("debug", "info", "warn", "warning", "error", "critical", "fatal")
_MAX_SECONDS = 86_400


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the Hugging Face cache, whether or not it exists.

    An empty variable counts as unset. Without a home folder, the path begins with ``~``.
    """
    home = environment.get("HF_HOME") or os.path.join(  # noqa: PTH118
        environment.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    folder = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    folder = folder or os.path.join(home, "hub")  # noqa: PTH118
    return Path(os.path.expandvars(os.path.expanduser(folder)))  # noqa: PTH111


def has_home(folder: Path) -> bool:
    """Return whether a folder of `cache_folder` is a real one, and not below an unknown home."""
    return folder.parts[:1] != ("~",)


def is_offline(environment: Mapping[str, str]) -> bool:
    """Return whether the environment forbids to ask the Hub.

    Raises:
        ModelUnavailableError: a variable says neither yes nor no.
    """
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        value = environment.get(name)
        if value:
            _raise(_switch_fault(name, value))
            return value.lower() in _TRUE
    return False


def links_disabled(environment: Mapping[str, str]) -> bool:
    """Return whether the environment forbids symbolic links in the cache."""
    return environment.get("HF_HUB_DISABLE_SYMLINKS", "").lower() in _TRUE


def prepare(environment: MutableMapping[str, str]) -> None:
    """Check all that a request to the Hub depends on, and put into a form that its client knows.

    Raises:
        DistilError: a variable has a value that it can't have; it is named.
    """
    for fault in faults(environment):
        _raise(fault)
    for name in [name for name in _CHECKS if environment.get(name) == ""]:
        del environment[name]
    proxies.translate(environment)
    certificates.adopt(environment)


def faults(environment: Mapping[str, str]) -> Iterator[DistilError]:
    """Find the variables with values that they can't have."""
    for name, check in _CHECKS.items():
        value = environment.get(name)
        fault = check(name, value) if value else None
        if fault:
            yield fault
    yield from proxies.faults(environment)
    yield from certificates.faults(environment)


def _raise(fault: DistilError | None) -> None:
    if fault:
        raise fault


def _switch_fault(name: str, value: str) -> DistilError | None:
    if value.lower() in (*_TRUE, *_FALSE):
        return None
    return ModelUnavailableError(f"{name} can't be {value!r}.", "Use 1 or 0, or unset it.")


def _seconds_fault(name: str, value: str) -> DistilError | None:
    if re.fullmatch("[0-9]{1,5}", value.strip()) and int(value) <= _MAX_SECONDS:
        return None
    return ModelUnavailableError(
        f"{name} can't be {value!r}.", f"Use a whole number of seconds up to {_MAX_SECONDS}."
    )


def _level_fault(name: str, value: str) -> DistilError | None:
    if value.lower() in _LEVELS:
        return None
    return ModelUnavailableError(f"{name} can't be {value!r}.", "Use error or debug, or unset it.")


def _folder_fault(name: str, value: str) -> DistilError | None:
    path = os.path.expandvars(os.path.expanduser(value))  # noqa: PTH111
    if not os.path.exists(path) or os.path.isdir(path):  # noqa: PTH110, PTH112 # they never raise
        return None
    return DistilError(
        f"{name} names {value}, which is not a folder.", "Name a folder for the cache."
    )


def _endpoint_fault(name: str, value: str) -> DistilError | None:
    shown = without_password(value)
    if "://" not in value:
        return ModelUnavailableError(
            f"{name} is {shown!r}, which does not begin with https://.",
            f"Set it to https://{shown}, or unset it.",
        )
    try:
        parts = urlsplit(value)
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    if is_valid and value.isprintable() and " " not in value:
        return None
    return ModelUnavailableError(
        f"{name} is {shown!r}, which is not the address of a Hub.",
        "Use an address such as https://huggingface.co, or unset it.",
    )


_Check = Callable[[str, str], DistilError | None]
_CHECKS: Mapping[str, _Check] = {
    "HF_ENDPOINT": _endpoint_fault,
    "HF_HUB_ETAG_TIMEOUT": _seconds_fault,
    "HF_HUB_DOWNLOAD_TIMEOUT": _seconds_fault,
    "HF_HUB_VERBOSITY": _level_fault,
    **dict.fromkeys(
        (
            *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DEBUG", "HUGGINGFACE_CO_STAGING"),
            *("HF_HUB_DISABLE_XET", "HF_XET_HIGH_PERFORMANCE", "HF_HUB_ENABLE_HF_TRANSFER"),
            *("HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_SHARED_BLOBS"),
            *("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_IMPLICIT_TOKEN"),
        ),
        _switch_fault,
    ),
    **dict.fromkeys(
        ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"), _folder_fault
    ),
}
