"""``distil doctor``: checks whether distil works on this machine."""

from ...errors import DistilError
from ...terminal import Terminal
from ..shared.options import Json, Quiet
from .checks import examine
from .finding import Finding

EXAMPLES = """\b
Examples:
  distil doctor
  distil doctor --json | jq 'select(.state != "ok")'
"""

_NAME_WIDTH = 10
_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def doctor(json: Json = False, quiet: Quiet = False) -> None:
    """Check whether distil works on this machine.

    This checks versions, the build of llama.cpp, devices, limits, model files and the Hub, and
    generates for two seconds. Each line is ok, a note or a problem, with what to do. The exit
    status is 1 if generate would fail with the current DISTIL_ variables. The report has no
    secrets: you can paste it into an issue.
    """
    terminal = Terminal.system(quiet=quiet)
    problems = []
    for finding in examine():
        if json:
            terminal.write_json(finding.record())
        else:
            _show(terminal, finding)
        if finding.state == "problem":
            problems.append(finding)
    if problems:
        names = ", ".join(each.name for each in problems)
        raise DistilError(
            f"`distil generate` would fail on this machine: {names}.",
            "Follow the line below each problem." if not json else "Follow each remedy.",
        )


def _show(terminal: Terminal, finding: Finding) -> None:
    lines = [(f"{_MARKS[finding.state]:<8}{finding.name:<{_NAME_WIDTH}}", finding.text)]
    if finding.remedy:
        lines.append((" " * (8 + _NAME_WIDTH), finding.remedy))
    terminal.write_fields(lines)
