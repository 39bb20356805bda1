"""Tries the engine in a separate process, which a build for another processor may end.

    python -m distilgpt2_cli.children.engine_trial SECONDS MODEL GPU_LAYERS

prints two lines of JSON: the facts of the build, and the result of a generation.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import errors
from ..errors import DistilError
from ..failures import explained
from ..machine.builds import source_command, source_command_without_amx

_TIMEOUT = 300  # seconds; a GPU's driver may compile for long the first time


@dataclass(frozen=True)
class Trial:
    """The result of a trial.

    Attributes:
        facts: the facts of the build; None if it can't be loaded.
        generation: its speed and placement; None if it failed.
        failure: the error; None if the trial succeeded.
    """

    facts: dict[str, Any] | None
    generation: dict[str, Any] | None
    failure: DistilError | None


def try_engine(seconds: float, model: str, gpu_layers: str) -> Trial:
    """Run the trial; errors are in the result, and never raised."""
    command = [sys.executable, "-m", __name__, str(seconds), model, gpu_layers]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return Trial(
            None, None, DistilError(f"llama.cpp did not answer within {_TIMEOUT} s.", _COMPILE)
        )
    except OSError as error:
        return Trial(None, None, explained(error))
    records = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    facts = records[0] if records else None
    last = records[-1] if records else {}
    if result.returncode < 0:
        return Trial(facts, None, _killed(-result.returncode, facts))
    if "error" in last:
        first = facts if facts is not last else None
        return Trial(first, None, getattr(errors, last["error"])(*last["arguments"]))
    if len(records) < 2:
        message = (result.stderr.strip().splitlines() or ["no message"])[-1]
        return Trial(facts, None, DistilError(f"llama.cpp ended at once: {message}", _COMPILE))
    return Trial(facts, last, None)


_COMPILE = f"Compile llama.cpp for this machine: {source_command()}"


def _killed(number: int, facts: Mapping[str, Any] | None) -> DistilError:
    if number == signal.SIGILL:
        return DistilError(
            "This build of llama.cpp uses instructions that the processor doesn't have.", _COMPILE
        )
    if number == signal.SIGSEGV and facts and any("AMX" in each for each in facts["features"]):
        return DistilError(
            "llama.cpp crashed at the first text (Segmentation fault). This build has code for AMX,"
            " which GCC before 13.3 compiles wrongly.",
            f"Compile it without AMX: {source_command_without_amx()}",
        )
    return DistilError(f"llama.cpp was stopped by {signal.Signals(number).name}.", _COMPILE)


def _main(seconds: str, model: str, gpu_layers: str) -> None:
    try:
        from ..engine.benchmark import facts, generate_for
        from ..engine.llama.placement import Offload

        print(json.dumps(facts()), flush=True)
        offload = Offload.parse(gpu_layers)
        print(json.dumps(generate_for(model, float(seconds), offload)), flush=True)
    except Exception as error:
        known = explained(error)
        print(json.dumps({"error": type(known).__name__, "arguments": known.args}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
