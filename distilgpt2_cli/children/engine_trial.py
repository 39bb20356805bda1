"""The engine tried in a process of its own, which a build for another processor may end.

    python -m distilgpt2_cli.children.engine_trial SECONDS MODEL GPU_LAYERS

prints as JSON, a line each, what the build says of itself and how it generated.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from .. import errors
from ..errors import DistilError
from ..machine.builds import source_command

_TIMEOUT = 300  # seconds; a GPU's driver may compile for long the first time


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        facts: what the build says of itself; None if it can't even be loaded.
        generation: how fast it was, and where; None if it didn't come to that.
        failure: why not; None if all went well.
    """

    facts: dict[str, Any] | None
    generation: dict[str, Any] | None
    failure: DistilError | None


def try_engine(seconds: float, model: str, gpu_layers: str) -> Trial:
    """Try it, and never fail."""
    command = [sys.executable, "-m", __name__, str(seconds), model, gpu_layers]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return Trial(None, None, DistilError(f"Nothing came in {_TIMEOUT} s.", _ANEW))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    facts = records[0] if records else None
    last = records[-1] if records else {}
    if result.returncode < 0:
        return Trial(facts, None, _killed(-result.returncode))
    if "error" in last:
        first = facts if facts is not last else None
        return Trial(first, None, getattr(errors, last["error"])(*last["arguments"]))
    if len(records) < 2:
        reason = (result.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        return Trial(facts, None, DistilError(f"The engine ended at once: {reason}", _ANEW))
    return Trial(facts, last, None)


_ANEW = f"Compile llama.cpp for this machine: {source_command()}"


def _killed(number: int) -> DistilError:
    if number == signal.SIGILL:
        return DistilError(
            "This build of llama.cpp uses instructions that the processor doesn't have.", _ANEW
        )
    return DistilError(f"llama.cpp was ended by {signal.Signals(number).name}.", _ANEW)


def _main(seconds: str, model: str, gpu_layers: str) -> None:
    try:
        from ..engine.benchmark import facts, generate_for
        from ..engine.llama.placement import Offload

        print(json.dumps(facts()), flush=True)
        offload = Offload.parse(gpu_layers)
        print(json.dumps(generate_for(model, float(seconds), offload)), flush=True)
    except DistilError as error:
        print(json.dumps({"error": type(error).__name__, "arguments": error.args}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
