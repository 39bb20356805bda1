"""``distil replay``: whether recorded completions are the same when made again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...errors import DistilError, ModelUnavailableError, UsageError
from ...models import DEMO, ModelFile, ModelReference, demo, find, local
from ...models.choice import own_model
from ...models.names import models
from ...signals import results_pending
from ...terminal import Terminal
from ..shared.model_options import ComputeOptions
from ..shared.options import Json, Quiet
from .recorded import Recorded, is_whole, read_records, runs

EXAMPLES = """\b
Examples:
  distil generate --json --seed 1 "Once upon a time" > record.jsonl
  distil replay record.jsonl
  distil replay --json record.jsonl | jq 'select(.result == "differs")'
  distil replay --model other.gguf - < record.jsonl
"""

_MAX_LINE = 2**26  # bytes; a prompt may have 2^20 characters, and tokens their log-probabilities


def replay(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Records of generate --json; - for standard input.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="PATH",
            help="Run them on this GGUF file, or on demo, instead of the recorded ones.",
            show_default=False,
        ),
    ] = None,
    *,
    compute: ComputeOptions,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run recorded completions again and compare them with what was recorded.

    Each record gives a line: ok, or what differs first and why that may be. The exit status is 1
    if any differs.
    """
    terminal = Terminal.system(quiet=quiet)
    offload = compute.offload
    other = None if model is None else own_model(model)
    count = different = 0
    from ...engine.replay import OpenModels
    from .comparison import complete_again_and_compare
    from .output import show

    with (
        OpenModels(compute.thread_count, offload) as open_models,
        results_pending(),
    ):
        for run in runs(read_records(_lines(terminal, file))):
            found = other or _locate(run[0])
            for record, difference, changed in complete_again_and_compare(open_models, found, run):
                count, different = count + 1, different + (difference is not None)
                show(terminal, record, difference, changed, is_whole(run), json)
    if not count:
        raise UsageError(
            f"{'Standard input' if file == '-' else file} has no records.",
            "Give lines that `distil generate --json` has printed.",
        )
    if different:
        raise DistilError(
            f"{different} of {count} records differ.",
            "The lines on standard output say where they differ, and what has changed since.",
        )
    terminal.notice(f"{count} of {count} records are the same.")


def _lines(terminal: Terminal, name: str) -> Iterator[bytes | None]:
    if name == "-":
        yield from terminal.read_lines(_MAX_LINE)
        return
    try:
        with Path(name).open("rb") as opened:
            while line := opened.readline(_MAX_LINE + 1):
                yield line if len(line) <= _MAX_LINE else None
    except OSError as error:
        raise UsageError(
            f"The file {name} can't be read: {error.strerror}.", "Check its name and rights."
        ) from None


def _locate(recorded: Recorded) -> ModelFile:
    """Return the file that a record names: of the Hub's cache, the demo model, or at its path.

    Raises:
        ModelUnavailableError: it is not here.
    """
    named = recorded.record["model"]
    name, path = named["name"], named.get("path")
    repository, revision = named.get("repository"), named.get("revision")
    if repository is None and name == DEMO:
        return demo()
    remedy = "Give another one with --model."
    if isinstance(repository, str) and isinstance(revision, str) and name in models([name]):
        reference = ModelReference(models([name])[name], repository, revision)
        found = find(reference)
        if found and found.name == name:
            return found
        remedy = f"Run `{reference.download_command}`, or give another one with --model."
    if isinstance(path, str) and Path(path).is_file():
        return local(Path(path))
    raise ModelUnavailableError(
        f"Line {recorded.number}: its model, {path or name}, is not on this machine.", remedy
    )
