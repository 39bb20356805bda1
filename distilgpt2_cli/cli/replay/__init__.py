"""``distil replay``: runs recorded completions again and compares them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ...errors import DistilError, ModelUnavailableError, UsageError
from ...models import DEMO, AdapterFile, ModelFile, ModelReference, demo, find, local
from ...models.choice import own_model
from ...models.names import models
from ...models.reference import local_adapter
from ...signals import results_pending
from ...terminal import Terminal
from ..shared.model_options import ComputeOptions
from ..shared.offload import notice_loading
from ..shared.options import Json, Quiet
from ..shared.sources import STDIN, own_source
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
            parser=own_source,
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
            help="Use this GGUF file, or `demo`, instead of the recorded models.",
            show_default=False,
        ),
    ] = None,
    *,
    compute: ComputeOptions,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run recorded completions again and compare the results.

    Each record gives a line: ok, or the first difference and its possible cause. The exit status is
    1 if any record differs.
    """
    terminal = Terminal.system(quiet=quiet)
    offload = compute.offload
    other = None if model is None else own_model(os.environ, model)
    count = different = 0
    from ...engine.replay import OpenModels
    from .comparison import complete_again_and_compare
    from .output import show

    with (
        OpenModels(compute.thread_count, offload, partial(notice_loading, terminal)) as open_models,
        terminal.counting_results("records", None) as advance,
        results_pending(),
    ):
        for run in runs(read_records(_lines(terminal, file))):
            found = replace(other or _locate(run[0]), adapters=_adapters(run[0]))
            for record, difference, changed in complete_again_and_compare(open_models, found, run):
                count, different = count + 1, different + (difference is not None)
                show(terminal, record, difference, changed, is_whole(run), json)
                advance(1)
    if not count:
        raise UsageError(
            f"{'Standard input' if file == STDIN else file} has no records.",
            "Use the output of `distil generate --json`.",
        )
    if different:
        raise DistilError(
            f"{different} of {count} records differ.",
            "Standard output shows where they differ, and what has changed.",
        )
    terminal.notice(f"{count} of {count} records are the same.")


def _lines(terminal: Terminal, name: str) -> Iterator[bytes | None]:
    if name == STDIN:
        yield from terminal.read_lines(_MAX_LINE)
        return
    try:
        with Path(name).open("rb") as opened:
            while line := opened.readline(_MAX_LINE + 1):
                yield line if len(line) <= _MAX_LINE else None
    except OSError as error:
        raise UsageError(
            f"Can't read {name}: {error.strerror}.", "Check its name and its permissions."
        ) from None


def _adapters(recorded: Recorded) -> tuple[AdapterFile, ...]:
    """Return the adapters of a record, at their paths.

    Raises:
        ModelUnavailableError: one is not on this machine.
    """
    for adapter in recorded.adapters:
        if not adapter.path.is_file():
            raise ModelUnavailableError(
                f"Line {recorded.number}: the adapter {adapter.path} is not on this machine.",
                "Put the file there again.",
            )
    return tuple(local_adapter(each.path, each.scale) for each in recorded.adapters)


def _locate(recorded: Recorded) -> ModelFile:
    """Return the model file of a record: from the cache, the demo model, or at its path.

    Raises:
        ModelUnavailableError: the file is not on this machine.
    """
    named = recorded.record["model"]
    name, path = named["name"], named.get("path")
    repository, revision = named.get("repository"), named.get("revision")
    if repository is None and name == DEMO:
        return demo()
    remedy = "Choose another model with --model."
    if isinstance(repository, str) and isinstance(revision, str) and name in models([name]):
        reference = ModelReference(models([name])[name], repository, revision)
        found = find(reference)
        if found and found.name == name:
            return found
        remedy = f"Run `{reference.download_command}`."
    if isinstance(path, str) and Path(path).is_file():
        return local(Path(path))
    raise ModelUnavailableError(
        f"Line {recorded.number}: the model {path or name} is not on this machine.", remedy
    )
