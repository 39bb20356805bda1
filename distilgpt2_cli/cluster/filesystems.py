"""File systems by address: a local path, or a URL that pyarrow or fsspec opens."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from ..errors import DistilError, UsageError
from ..failures import limit_reached
from ..files import own_path

_SEPARATOR = "://"
_OF_ARROW = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")
_PREFIXES = {  # of variables of the environment that a file system reads
    "s3": "AWS_",
    "gs": "GOOGLE_",
    "gcs": "GOOGLE_",
    "abfs": "AZURE_",
    "abfss": "AZURE_",
}
_LONGEST_REASON = 300  # characters: those of Amazon's errors go on with identifiers


class Place(NamedTuple):
    """What an address names.

    Attributes:
        filesystem: a `pyarrow.fs.FileSystem`.
        path: of the file or folder there.
    """

    filesystem: Any
    path: str


def full_address(name: str) -> str:
    """Return what any process on this machine knows a file by: an absolute path, or a URL.

    Raises:
        UsageError: a URL has a password, or is not valid; or a path is not UTF-8.
    """
    if _SEPARATOR not in name:
        path = os.path.abspath(own_path(name))  # noqa: PTH100 - it keeps links as they are
        try:
            path.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"The name {name!a} is not UTF-8.", "Rename the file or folder."
            ) from None
        return path
    try:
        has_password = urlsplit(name).password is not None
    except ValueError as error:
        raise UsageError(f"{name} is not a valid address: {error}.", "Correct it.") from None
    if has_password:
        raise UsageError(
            "An address can't have a password, which the results would show to others.",
            "Leave it out, and set it where the file system looks for it, such as in the"
            " environment.",
        )
    return located(name).path if _scheme(name) == "file" else name


def is_local(address: str) -> bool:
    """Return whether a full address is a path."""
    return _SEPARATOR not in address


def located(address: str) -> Place:
    """Return what an address names, without making sure that it is there.

    Raises:
        UsageError: there is no file system for it.
        DistilError: the file system can't be used.
    """
    from pyarrow import ArrowInvalid
    from pyarrow import fs as arrow

    if is_local(address):
        return Place(arrow.LocalFileSystem(), address)
    try:
        return Place(*arrow.FileSystem.from_uri(address))
    except ArrowInvalid as error:
        if _scheme(address) in _OF_ARROW:
            raise UsageError(
                f"{address} is not a valid address: {reason(error)}.", "Correct it."
            ) from None
    except Exception as error:
        raise cannot_open(error, address) from None
    return _of_fsspec(address)


def _of_fsspec(address: str) -> Place:
    from fsspec.core import url_to_fs
    from fsspec.registry import available_protocols
    from pyarrow import fs as arrow

    scheme = _scheme(address)
    if "::" not in scheme and scheme not in available_protocols():
        raise UsageError(
            f"{address} can't be opened: there is no file system named {scheme}.",
            "Use a path, or an address such as s3://bucket/folder.",
        )
    try:
        filesystem, path = url_to_fs(address)
    except ImportError as error:
        raise DistilError(
            f"{address} can't be opened: {reason(error)}.",
            "Install that package where distil is installed.",
        ) from None
    except Exception as error:
        raise cannot_open(error, address) from None
    return Place(arrow.PyFileSystem(arrow.FSSpecHandler(filesystem)), path)


def _scheme(address: str) -> str:
    return address.split(_SEPARATOR)[0].lower()


def within(folder: str, name: str) -> str:
    """Return the address of a file in a folder.

    Args:
        folder: the full address of the folder.
        name: of the file, with slashes if it is further below.
    """
    if is_local(folder):
        return os.path.join(folder, name)  # noqa: PTH118 - a path as text
    if _scheme(folder) not in _OF_ARROW:  # fsspec does not unescape names
        return f"{folder.rstrip('/')}/{name}"
    path, mark, options = folder.partition("?")
    return f"{path.rstrip('/')}/{quote(name)}{mark}{options}"


def settings_for(addresses: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which the file systems of addresses are opened here.

    They have credentials, regions and endpoints.
    """
    prefixes = tuple(
        {_PREFIXES[scheme] for scheme in map(_scheme, addresses) if scheme in _PREFIXES}
    )
    return {name: value for name, value in environment.items() if name.startswith(prefixes)}


def cannot_open(error: Exception, address: str) -> DistilError:
    """Return the error for a person to read, of a file system that can't be used."""
    return limit_reached(error) or DistilError(
        f"{address} can't be opened: {reason(error)}.",
        "Check the address, the network, and your rights there, then run the command again.",
    )


def reason(error: Exception) -> str:
    """Return what an exception says, as a clause: its first line without the full stop."""
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    if ". Detail: [errno" in text:  # pyarrow writes it before what the system says
        text = text.rpartition("] ")[2]
    return text.splitlines()[0][:_LONGEST_REASON].rstrip(".: ")
