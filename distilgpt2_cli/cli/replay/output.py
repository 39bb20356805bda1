"""How ``distil replay`` shows whether a record is the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...terminal import Terminal
from .comparison import Difference
from .recorded import Recorded


def show(
    terminal: Terminal,
    recorded: Recorded,
    difference: Difference | None,
    changed: Mapping[str, tuple[Any, Any]],
    whole: bool,
    as_json: bool,
) -> None:
    """Print a line, or an object, for a record."""
    result = "ok" if difference is None else "differs"
    if as_json:
        changes = {key: {"recorded": then, "now": now} for key, (then, now) in changed.items()}
        terminal.write_json(
            {
                "record": recorded.number,
                "result": result,
                "difference": None if difference is None else asdict(difference),
                "changed": changes,
                "whole": whole,
            }
        )
        return
    if difference is None:
        terminal.write(f"{recorded.number}: ok\n")
        return
    line = f"{recorded.number}: differs: {_described(difference)}; {_why(recorded, changed)}"
    if not whole:
        line += "; some records of the same --parallel run are missing"
    terminal.write_line(line)


def _described(difference: Difference) -> str:
    if difference.field == "logprobs":
        place = "their number" if difference.offset is None else f"token {difference.offset}"
        return f"logprobs: {place} differs"
    at = "" if difference.offset is None else f" at byte {difference.offset}"
    expected, got = (
        json.dumps(each, ensure_ascii=False) for each in (difference.expected, difference.got)
    )
    return f"{difference.field}{at}: expected {expected}, got {got}"


def _why(recorded: Recorded, changed: Mapping[str, tuple[Any, Any]]) -> str:
    if not changed and recorded.flash_attention and recorded.parallel == 1:
        return "with --flash-attention, the text can depend on --threads"
    if not changed:
        return "model, versions and CPU are as recorded, so the record itself may have been edited"
    return "changed since: " + ", ".join(
        _of_builds(then, now)
        if key == "cpu_features" and isinstance(then, str)
        else f"{key} was {_short(then)}, now {_short(now)}"
        for key, (then, now) in changed.items()
    )


def _of_builds(then: str, now: str) -> str:
    """Return how two builds of llama.cpp differ; they are described as by `features`."""
    from ...engine.llama.bindings import feature_names

    before, after = feature_names(then), feature_names(now)
    without = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    parts = [
        f"{how} {', '.join(names)}" for how, names in (("without", without), ("with", new)) if names
    ]
    return " ".join(["llama.cpp is built for other processors,", *parts]).rstrip(",")


def _short(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}…"
    return "not recorded" if value is None else str(value)
