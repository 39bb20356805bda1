"""The certificates with which connections to the Hub are checked, if the environment names some.

``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are OpenSSL's variables, which httpx2 reads. Those of curl
and requests count where neither is set, so that one variable serves all programs of a network.
"""

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from ..errors import ModelUnavailableError

_FILE, _FOLDERS = "SSL_CERT_FILE", "SSL_CERT_DIR"
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # as `openssl rehash` names certificates
_REMEDY = "Name a file with certificates in PEM form, or unset it."


def faults(environment: Mapping[str, str]) -> Iterator[ModelUnavailableError]:
    """Find the variable in force if it names nothing, or no certificate."""
    variable = _in_force(environment)
    if not variable:
        return
    value = environment[variable]
    if variable == _FOLDERS or (variable in _BUNDLES and Path(value).is_dir()):
        reason, remedy = (
            _folder_fault(value),
            "Name a folder made by `openssl rehash`, or unset it.",
        )
    else:
        reason, remedy = _file_fault(value), _REMEDY
    if reason:
        yield ModelUnavailableError(f"{variable} names {value}, {reason}.", remedy)


def adopt(environment: MutableMapping[str, str]) -> None:
    """Let httpx2 use what the variables of curl and requests name, if OpenSSL's name nothing."""
    variable = _in_force(environment)
    if variable in _BUNDLES:
        value = environment[variable]
        environment[_FOLDERS if Path(value).is_dir() else _FILE] = value


def _in_force(environment: Mapping[str, str]) -> str | None:
    return next((each for each in (_FILE, _FOLDERS, *_BUNDLES) if environment.get(each)), None)


def _file_fault(path: str) -> str | None:
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return "which has no certificate"
    except (OSError, ValueError) as error:
        return f"which can't be read: {getattr(error, 'strerror', None) or error}"
    return None


def _folder_fault(paths: str) -> str | None:
    for path in paths.split(os.pathsep):
        try:
            if any(_HASHED.fullmatch(name) for name in os.listdir(path)):  # noqa: PTH208
                return None
        except OSError as error:
            return f"which can't be read: {error.strerror}"
    return "which has no certificate"
