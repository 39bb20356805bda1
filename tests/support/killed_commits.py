"""A run over rows whose process is killed between any two operations on files.

python -m tests.support.killed_commits FOLDER: for each moment, a run in a folder of its own is
killed then, and another one goes on. Prints how many moments there were.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from distilgpt2_cli.cluster.folder import OutputFolder
from distilgpt2_cli.cluster.parts import Part
from distilgpt2_cli.cluster.rows import Column, Computed, Refused, Row
from distilgpt2_cli.cluster.storage import NewFile
from distilgpt2_cli.cluster.writing import Layout

LAYOUT = Layout("jsonl", "line", None, "string", (Column("text", "text", ("text",)),))
PART = Part(0, 0, [Row(number, f"text {number}") for number in range(1, 4)])
_EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
_KILLED = 9


def results() -> Iterator[Computed | Refused]:
    """Yield results, of which the last one is refused."""
    *rows, last = PART.rows
    for row in rows:
        yield Computed(row.number, [row.text.upper()], "", 1)
    yield Refused(last.number, ("It is the last one.", "Add another one."))


def complete(folder: Path) -> None:
    """Do all that a run does which may have been begun."""
    output = OutputFolder(str(folder))
    output.begin({"seed": 1}, resume=True)
    output.commit(PART, LAYOUT, results())
    output.finish(1, {"parts": 1})


def visible(folder: Path) -> dict[str, bytes]:
    """Return all files that have their final names, but the one with a random token."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    named = {str(path.relative_to(folder)): path for path in files}
    named.pop("_distil.json", None)
    return {name: path.read_bytes() for name, path in named.items() if name[:5] != "_tmp/"}


def _killed_at(moment: int, folder: Path) -> bool:
    """Run, and be killed before an operation; return whether there was such an operation."""
    child = os.fork()
    if child == 0:
        left, write = moment, NewFile.write

        def pass_moment() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(_KILLED)

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event in _EVENTS and str(folder) in str(arguments[0]):
                pass_moment()

        def killed_write(file: NewFile, data: bytes) -> int:
            pass_moment()
            return write(file, data)

        sys.addaudithook(hook)
        NewFile.write = killed_write  # type: ignore[assignment, method-assign]
        complete(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _KILLED), code
    return code == _KILLED


def _main(base: Path) -> None:
    os.fsync = lambda fd: None  # noqa: ARG005 - it matters where the machine ends, and takes long
    whole = base / "whole"
    complete(whole)
    expected, moment = visible(whole), 0
    while _killed_at(moment, base / str(moment)):
        folder = base / str(moment)
        folder.mkdir(exist_ok=True)
        for name, data in visible(folder).items():
            assert data == expected[name], (moment, name)
        if (folder / "_parts/part-000000.json").exists():
            assert (folder / "part-000000.jsonl").exists()
            assert (folder / "_errors/part-000000.jsonl").exists()
        complete(folder)
        assert visible(folder) == expected, moment
        assert not (folder / "_tmp").exists()
        moment += 1
    print(moment)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
