"""Files of a folder that somebody else made: read whole, with limits, and checked."""

import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelDamagedError, ModelUnavailableError

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

CHECK_FOLDER = "Check the folder, or save the model again."
MAX_JSON_BYTES = 2**27
"""The largest tokenizers have a tenth of it."""


def is_file(path: Path) -> bool:
    """Return whether there is a regular file, or a link to one.

    Raises:
        ModelDamagedError: there is something else, which may have no end.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_read(path, error) from error
    if not stat.S_ISREG(mode):
        raise ModelDamagedError(f"{path} is not a regular file.", CHECK_FOLDER)
    return True


def read_bytes(path: Path, limit: int = MAX_JSON_BYTES) -> bytes:
    """Return what a regular file has.

    Raises:
        ModelUnavailableError: it can't be read.
        ModelDamagedError: it isn't there, is no regular file, or has more bytes than ``limit``.
    """
    if not is_file(path):
        raise ModelDamagedError(f"{path} is missing.", CHECK_FOLDER)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise cannot_read(path, error) from error
    if len(data) > limit:
        raise ModelDamagedError(f"{path} has more than {limit} bytes.", CHECK_FOLDER)
    return data


def read_text(path: Path, limit: int = MAX_JSON_BYTES) -> str:
    """Return the UTF-8 text of a file; see `read_bytes` for what is raised."""
    try:
        return read_bytes(path, limit).decode()
    except UnicodeDecodeError as error:
        raise ModelDamagedError(f"{path} is not UTF-8 text.", CHECK_FOLDER) from error


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Return the object of a JSON file; see `read_bytes` for what is raised, too.

    Raises:
        ModelDamagedError: it is not JSON, or no object, or nested too deeply, or has text that
            can't be written.
    """
    text = read_text(path, limit)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            reason = str(error)
        else:
            is_deep = isinstance(error, RecursionError)
            reason = "nested too deeply" if is_deep else "a number has too many digits"
        raise ModelDamagedError(f"{path} is not valid JSON: {reason}.", CHECK_FOLDER) from error
    if not isinstance(value, dict):
        raise ModelDamagedError(f"{path} has no JSON object.", CHECK_FOLDER)
    if _SURROGATE.search(text) and not is_unicode(value):
        raise ModelDamagedError(f"{path} has text that is not valid Unicode.", CHECK_FOLDER)
    return value


def is_unicode(value: object) -> bool:
    """Return whether all texts in a value can be written: none has half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def integer(values: Mapping[str, Any], key: str, path: Path, default: int | None = None) -> int:
    """Return a positive integer below 2³¹ of a JSON object.

    Raises:
        ModelDamagedError: it is missing where there is no default, or has another value.
    """
    value = values.get(key)
    if value is None and default is not None:
        return default
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ModelDamagedError(
            f"{path} has {shown(value)} for {key}, which must be a positive integer.", CHECK_FOLDER
        )
    return value


def shown(value: object) -> str:
    """Return a value of JSON as it is shown in an error, shortened."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def cannot_read(path: Path, error: OSError) -> ModelUnavailableError:
    """Return the error of a file that the system does not let us read."""
    return ModelUnavailableError(
        f"{path} can't be read: {error.strerror or error}.", "Check its owner and permissions."
    )
