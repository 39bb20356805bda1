"""Group 11: how long what needs no model takes, by what Python and typer take by themselves."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.bench.finding import Finding, Turn, in_turns, of_turns
from tests.support.run import environment

TURNS = 25
DISTIL = str(Path(sys.executable).with_name("distil"))
COMPLETIONS = {
    "a command": "distil ge",
    "an option": "distil generate --te",
    "a value": "distil generate --quant Q",
}


def starts() -> Iterator[Finding]:
    """Yield the ratio of each start to its bar, as medians over turns."""
    with tempfile.TemporaryDirectory() as home:
        env = environment(Path(home), SHELL="/bin/bash")
        ways: dict[str, Callable[[], float]] = {
            "python": partial(_seconds, env, sys.executable, "-c", "pass"),
            "typer": partial(_seconds, env, sys.executable, "-c", "import typer"),
            "--help": partial(_seconds, env, DISTIL, "--help"),
        }
        for argument in ("--version", "--show-completion", "--install-completion"):
            ways[argument] = partial(_seconds, env, DISTIL, argument)
        for what, words in COMPLETIONS.items():
            ways[what] = partial(_seconds, _completing(env, words), DISTIL)
        turns = in_turns(ways, TURNS)

    def found(what: str, name: str, allowed: Callable[[Turn], float]) -> Finding:
        few = [{key: turn[key] for key in (name, "python", "typer", "--version")} for turn in turns]
        return of_turns(
            11, what, "", few, lambda turn: turn[name] / allowed(turn), 1.0, at_least=False
        )

    for name in ("--version", "--show-completion", "--install-completion"):
        yield found(
            f"seconds of `distil {name}` by 1.3 of `python -c pass` and 15 ms",
            name,
            lambda turn: 1.3 * turn["python"] + 0.015,
        )
    yield found(
        "seconds of `distil --help` by 1.5 of `import typer`",
        "--help",
        lambda turn: 1.5 * turn["typer"],
    )
    for name in COMPLETIONS:
        yield found(
            f"seconds to complete {name} by `--version` and `import typer`",
            name,
            lambda turn: turn["--version"] + turn["typer"],
        )


def _completing(env: Mapping[str, str], words: str) -> dict[str, str]:
    """Return the environment in which bash asks for completions of the last word."""
    last = str(len(words.split()) - 1)
    return {**env, "_DISTIL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": last}


def _seconds(env: Mapping[str, str], *command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
