"""How completions are shown: as streaming text, or as lines of text or JSON."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...engine.llama.placement import Placement
from ...signals import results_pending
from ...terminal import DIM, Terminal
from ...terminal.progress import Advance
from ...workers.run import Run, Workers
from ..shared.lines import TextSource
from ..shared.offload import notice_loading
from ..shared.sampling_options import notice_seed
from ..shared.texts import notice_space
from ..tasks.generate import (
    Completed,
    GenerateTask,
    dropped_notice,
    later_notices,
    requests,
    text_of,
)
from ..tasks.lines import Failure, Text

if TYPE_CHECKING:
    from ...engine import Completion, Completions, Generator


@dataclass
class Output:
    """Shows the completions of a task.

    Attributes:
        terminal: where they are shown.
        task: what is computed.
        drawn_seed: a seed to report, because no record of the results has it.
        notices_space: whether to report an only prompt that ends in a space.
    """

    terminal: Terminal
    task: GenerateTask
    drawn_seed: int | None
    notices_space: bool
    _totals: "_Totals" = field(default_factory=lambda: _Totals())

    def write(self, source: TextSource, workers: Workers) -> None:
        """Write each completion when it is complete.

        After Ctrl-C, the text so far of those that had started is written too.
        """
        run: Run[Text, Completed | Failure] = Run(self.task, source, workers)
        with run, results_pending():
            self._begin(run.placement)
            with self._counting() as advance:
                try:
                    for completed in run.results():
                        self._show(completed, advance, source)
                except KeyboardInterrupt:
                    for completed in run.interrupted():
                        self._show(completed, advance, source)
                    raise
        self._end(run.processes)

    def stream(self, prompt: str) -> None:
        """Write the tokens of each completion as they come, after its prompt on a terminal."""
        with self.task.open_generator() as generator, results_pending():
            self._begin(generator.context.placement)
            batch = generator.complete_all(requests(self.task, [Text(1, prompt)]))
            with self._counting() as advance:
                for completion in self._stream_all(generator, batch):
                    for notice in later_notices(self.task, generator, completion):
                        self.terminal.notice(notice)
                    self._totals.add(completion.token_count)
                    advance(1)
        self._end(1)

    def _begin(self, placement: Placement) -> None:
        notice_loading(self.terminal, placement)
        if self.drawn_seed is not None:
            notice_seed(self.terminal, self.drawn_seed)
        if self.notices_space and self.task.prompt is not None:
            notice_space(self.terminal, self.task.prompt)

    def _counting(self) -> AbstractContextManager[Advance]:
        count, is_known = self.task.sequences, self.task.prompt is not None
        return self.terminal.counting_results(
            "completions", count if is_known and count > 1 else None
        )

    def _show(self, completed: Completed | Failure, advance: Advance, source: TextSource) -> None:
        if isinstance(completed, Failure):
            source.fail(completed)
            return
        for notice in completed.before:
            self.terminal.notice(notice)
        self.terminal.write(completed.text)
        for notice in completed.after:
            self.terminal.notice(notice)
        self._totals.add(completed.tokens)
        advance(1)
        if completed.is_last:
            source.done()

    def _stream_all(self, generator: "Generator", batch: "Completions") -> "Iterator[Completion]":
        """Show every completion, then yield it; after Ctrl-C, also the text so far of others."""
        try:
            for completion in batch:
                notice = dropped_notice(generator, completion)
                if notice and completion.request.index == 0:
                    self.terminal.notice(notice)
                try:
                    self._stream(completion)
                finally:
                    if completion.finish_reason:
                        yield completion
        except KeyboardInterrupt:
            for completion in batch.interrupt():
                self._stream(completion)
                yield completion
            raise

    def _stream(self, completion: "Completion") -> None:
        number, count = completion.request.index, self.task.sequences
        on_terminal = self.terminal.stdout_is_terminal
        if on_terminal and count > 1:
            seed = f" · seed {completion.seed}" if self.task.options.num_beams == 1 else ""
            self.terminal.rule(f"{number + 1} of {count}{seed}")
        elif number > 0:
            self.terminal.write("\n")
        if self.task.echo or on_terminal:
            self.terminal.write(str(completion.request.prompt), style=DIM)
        try:
            for token in completion:
                self.terminal.write(token.text)
        except KeyboardInterrupt:
            completion.interrupt()
            self.terminal.write(text_of(completion) + "\n")
            raise
        self.terminal.write("\n")

    def _end(self, processes: int) -> None:
        if self.task.stats:
            self._totals.show(self.terminal, processes)


class _Totals:
    """The line that ``--stats`` prints after several completions."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._count = self._tokens = 0

    def add(self, tokens: int) -> None:
        """Count a completion."""
        self._count, self._tokens = self._count + 1, self._tokens + tokens

    def show(self, terminal: Terminal, processes: int) -> None:
        """Print the line."""
        if self._count > 1:
            seconds = time.perf_counter() - self._start
            workers = f" · {processes} workers" if processes > 1 else ""
            terminal.notice(
                f"{self._count} completions · {self._tokens} tokens in {seconds:.3f} s,"
                f" {self._tokens / seconds:.0f} tokens/s{workers}"
            )
