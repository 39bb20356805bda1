"""llama.cpp's own programs, which tests/peers/llama_programs.sh compiles."""

import os
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("LLAMA_PROGRAMS", Path(sys.prefix) / "llama.cpp" / "bin"))


def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        FileNotFoundError: it was not compiled.
    """
    path = FOLDER / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Compile it: make {path.parents[1]}/version")
    return str(path)
