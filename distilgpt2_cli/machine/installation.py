"""How distil was installed, and the commands that install something beside it."""

import importlib.util
import os
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

_DISTRIBUTION = "distilgpt2-cli"
_EXTRA = re.compile(r"""^(?P<requirement>[^;]+?)\s*;\s*extra\s*==\s*['"](?P<extra>[\w-]+)['"]$""")


def extra_command(extra: str) -> str:
    """Return the command that adds an extra to this installation, whatever tool made it.

    It names what the extra needs, and not distil itself, which may come from anywhere.
    """
    needed = [
        found["requirement"]
        for found in map(_EXTRA.match, _requirements())
        if found and found["extra"] == extra
    ] or [f"{Path(__file__).parents[2]}[{extra}]"]
    if _is_in_pipx():
        return f"pipx inject {_environment()} {shlex.join(needed)}"
    return f"{pip_install()} {shlex.join(needed)}"


def pip_install() -> str:
    """Return the beginning of a command that installs a package for this Python."""
    if _is_in_pipx():
        return f"pipx runpip {_environment()} install"
    python = _word(sys.executable)
    if importlib.util.find_spec("pip"):
        return f"{python} -m pip install"
    return f"uv pip install --python {python}"


def requirement(name: str) -> str:
    """Return the versions of a package that distil works with, quoted for a shell."""
    return next((f"'{each}'" for each in _requirements() if each.startswith(name)), name)


def short_path(path: str | os.PathLike[str]) -> str:
    """Return a path with ``~`` for the home folder, which may contain a person's name."""
    home, text = os.path.expanduser("~"), os.fspath(path)  # noqa: PTH111
    return f"~{text.removeprefix(home)}" if text.startswith(f"{home}/") else text


def _requirements() -> list[str]:
    """Return the requirements of distil and its extras; none without an installation."""
    try:
        return metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def _is_in_pipx() -> bool:
    return (Path(sys.prefix) / "pipx_metadata.json").is_file()


def _environment() -> str:
    """Return the name by which pipx knows this environment."""
    return shlex.quote(Path(sys.prefix).name)


def _word(path: str) -> str:
    """Return a path as one word of a shell."""
    short = short_path(path)
    rest = short.removeprefix("~")
    return short if shlex.quote(rest) == rest else shlex.quote(path)
