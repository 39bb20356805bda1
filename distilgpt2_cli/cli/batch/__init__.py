"""``distil batch``: a file of requests to OpenAI's API, answered here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import DistilError, UsageError
from ...signals import results_pending
from ...terminal import Terminal
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import (
    Quiet,
    ResumableOutput,
    WorkerCount,
    check_at_least_one,
    output_option,
    parse_workers,
)
from ..shared.sampling_options import Parallel
from ..shared.sources import (
    STDIN,
    can_be_read_again,
    check_readable,
    open_lines,
    own_source,
    read_source,
)
from ..shared.texts import notice_empty

if TYPE_CHECKING:
    from ...batches.requests import BatchRequest, RequestLines
    from ...batches.results import Result
    from ...growing_file import GrowingFile
    from ...workers.run import Run, Workers
    from ..tasks.batch import BatchTask
    from .source import RequestSource

EXAMPLES = """\b
Examples:
  distil batch requests.jsonl > results.jsonl
  distil batch --output results.jsonl requests.jsonl
  distil batch --output results.jsonl --resume requests.jsonl
  distil batch --parallel 16 - < requests.jsonl | jq -r '.response.body.choices[0].text'
"""

_REMEDY = "Check the name of the file, or use - for standard input."


@dataclass(frozen=True)
class _OutputOptions(ResumableOutput):
    """Where the results go."""

    output: Annotated[Path | None, output_option("Append each result to this file.")] = None

    @contextmanager
    def open(self, source: str) -> "Iterator[GrowingFile | None]":
        """Open the output file, if there is one; what is read may not be the same file."""
        if self.output is None:
            yield None
            return
        from ...growing_file import open_growing_file

        with open_growing_file(self.output, force=self.force, resume=self.resume) as results:
            if _is_same(source, self.output):
                raise UsageError(
                    f"{self.output} is the file of the requests.", "Use another --output."
                )
            yield results


def batch(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            parser=own_source,
            help="Requests, a JSON object per line; - for standard input.",
            show_default=False,
        ),
    ],
    *,
    model: ModelOptions,
    output: _OutputOptions,
    parallel: Parallel = 1,
    workers: WorkerCount = "auto",
    quiet: Quiet = False,
) -> None:
    """Answer a file of requests in OpenAI's batch format.

    Each line has custom_id, method, url and body, for /v1/completions or /v1/embeddings. Each gives
    a line with its result, in the same order. The same file gives the same bytes, however often the
    run was interrupted. The exit status is 1 if any request failed.
    """
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("parallel", parallel)
    count = parse_workers(workers, several=True, what="several requests")
    offload = model.offload
    check_readable(file, _REMEDY)
    from ...batches.requests import MAX_LINE_BYTES, RequestLines, Settings
    from ...workers.run import Workers
    from ..shared.record import client_name, model_record
    from ..tasks.batch import BatchTask
    from .source import RequestSource

    with (
        output.open(file) as results,
        open_lines(terminal, file, _REMEDY, MAX_LINE_BYTES) as reader,
    ):
        found = model.locate(terminal)
        name = client_name(found)
        record = model_record(found)
        adapters = [(each["sha256"], each["scale"]) for each in record["adapters"]]
        settings = Settings(name, record["sha256"], parallel, adapters)
        lines = RequestLines(settings)
        source = RequestSource(lines, reader, parallel)
        if results and output.resume:
            source.pass_over(results)
        task = BatchTask(found, name, parallel, model.thread_count, offload)
        answers = _Answers(terminal, source, _requests(terminal, file))
        answers.write(task, Workers(count, task.threads), results)
    _check(terminal, lines, answers.failures)


class _Answers:
    """Writes results, and counts those that are errors."""

    def __init__(self, terminal: Terminal, source: "RequestSource", total: int | None) -> None:
        """Take the requests; ``total`` is how many there are, if that is known."""
        self.failures = source.failures
        self._terminal = terminal
        self._source = source
        self._total = total

    def write(self, task: "BatchTask", workers: "Workers", results: "GrowingFile | None") -> None:
        """Answer all requests.

        Raises:
            DistilError: the model can't be loaded, or results can't be written.
        """
        from ...workers.run import Run

        terminal, source = self._terminal, self._source
        with Run(task, source, workers) as run, results_pending():
            notice_loading(terminal, run.placement)
            if results:
                results.begin()
            if source.done:
                terminal.notice(f"Resuming after {source.done} requests.")
            counting = terminal.counting if results else terminal.counting_results
            with counting("requests", self._total) as advance:
                advance(source.done)
                try:
                    for result in self._new(run):
                        (results or terminal).write(result.line)
                        self.failures += result.failed
                        advance(1)
                except KeyboardInterrupt:
                    if results:
                        terminal.notice(
                            f"The results so far are in {results.path}: go on with --resume."
                        )
                    raise

    def _new(self, run: "Run[BatchRequest, Result]") -> "Iterator[Result]":
        """Yield the results that are not written yet."""
        for number, result in enumerate(run.results()):
            if number >= self._source.repeated:
                yield result


def _check(terminal: Terminal, lines: "RequestLines", failures: int) -> None:
    """Give a notice of empty lines, and make sure that the command fails if a request did."""
    notice_empty(terminal, lines.empty)
    if failures:
        raise DistilError(
            f"{failures} of {lines.count - lines.empty} requests failed.",
            "Their results have the reason, as error or in the body of the response.",
        )


def _requests(terminal: Terminal, name: str) -> int | None:
    """Return about how many requests a file has, for a bar; None if that is not known."""
    if terminal.quiet or not terminal.stderr_is_terminal or not can_be_read_again(name):
        return None
    return sum(part.count(b"\n") for part in read_source(terminal, name, _REMEDY))


def _is_same(source: str, path: Path) -> bool:
    try:
        found = os.fstat(0) if source == STDIN else Path(source).stat()
        return os.path.samestat(found, path.stat())
    except OSError:
        return False
