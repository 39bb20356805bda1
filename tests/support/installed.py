"""``distil`` as other tools install it: environments of its own, with what this one has."""

import os
import sysconfig
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path


def environment_without(folder: Path, packages: Iterable[str]) -> Path:
    """Make an environment that lacks some packages, and return its Python.

    All others are linked from the environment that runs the tests.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    lacking = tuple(packages)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(lacking):
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def write_wheel(folder: Path, name: str, version: str) -> None:
    """Write the wheel of an empty package, which pip can install."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def without_index(folder: Path) -> dict[str, str]:
    """Return the environment in which pip finds the wheels of a folder, and asks nobody."""
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": os.fspath(folder),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
