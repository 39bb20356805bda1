"""``distil doctor``: whether all is well for ``distil generate`` on this machine."""

from ...errors import DistilError
from ...terminal import Terminal
from ..shared.options import Json, Quiet
from .checks import Finding, examine

EXAMPLES = """\b
Examples:
  distil doctor
  distil doctor --json | jq 'select(.state != "ok")'
"""

_NAME_WIDTH = 10
_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def doctor(json: Json = False, quiet: Quiet = False) -> None:
    """Check versions, build, devices, model files, Hub, and a two-second generation.

    Each line is ok, a note, or a problem, with what to do. The status is 1 if something would
    stop generate, with the same DISTIL_ variables as now. The report has no secrets: it can be
    pasted into an issue.
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
        raise DistilError(
            f"`distil generate` would fail here: {', '.join(each.name for each in problems)}.",
            "Do what stands below each problem." if not json else "Do what each remedy says.",
        )


def _show(terminal: Terminal, finding: Finding) -> None:
    lines = [(f"{_MARKS[finding.state]:<8}{finding.name:<{_NAME_WIDTH}}", finding.text)]
    if finding.remedy:
        lines.append((" " * (8 + _NAME_WIDTH), finding.remedy))
    terminal.write_fields(lines)
