"""Packages that are not installed, for a run."""

import os
from collections.abc import Mapping
from pathlib import Path


def without_package(env: Mapping[str, str], folder: Path, package: str) -> dict[str, str]:
    """Return an environment in which Python finds no such package; a folder has a hook for it."""
    (folder / "sitecustomize.py").write_text(
        "import importlib.machinery as machinery\n"
        "find = machinery.PathFinder.find_spec\n"
        "machinery.PathFinder.find_spec = classmethod(lambda _, name, *rest:"
        f" None if name.startswith({package!r}) else find(name, *rest))\n"
    )
    return {**env, "PYTHONPATH": os.pathsep.join([str(folder), str(Path.cwd())])}
