"""How completions are shown: as streaming text, one line each, or as JSON Lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ...engine import Batch, Completion, Generator, Token
from ...models import ModelFile
from ...terminal import DIM, Terminal
from ..shared.record import logprob_records, model_record, placement_record, versions_record


class View(Protocol):
    """Shows one completion after another."""

    def show(self, number: int, completion: Completion) -> None:
        """Generate and show completion ``number``, counted from 0; also if it is interrupted."""


def show_all(
    batch: Batch, view: View, announce: Callable[[Completion], None]
) -> Iterator[Completion]:
    """Announce and show every completion, then yield it.

    After Ctrl-C, the text so far of those that had started is shown too.
    """
    number = -1
    try:
        for number, completion in enumerate(batch):
            announce(completion)
            try:
                view.show(number, completion)
            finally:
                if completion.finish_reason:
                    yield completion
    except KeyboardInterrupt:
        for later, completion in enumerate(batch.interrupt(), number + 1):
            view.show(later, completion)
            yield completion
        raise


@dataclass
class TextView:
    """The streaming text, after its prompt on a terminal or with ``echo``."""

    terminal: Terminal
    echo: bool
    count: int

    def show(self, number: int, completion: Completion) -> None:
        """Stream the completion, separated from the one before."""
        on_terminal = self.terminal.stdout_is_terminal
        if on_terminal and self.count > 1:
            self.terminal.rule(f"{number + 1} of {self.count} · seed {completion.seed}")
        elif number > 0:
            self.terminal.write("\n")
        if self.echo or on_terminal:
            self.terminal.write(str(completion.request.prompt), style=DIM)
        try:
            for token in completion:
                self.terminal.write(token.text)
        except KeyboardInterrupt:
            completion.interrupt()
            self.terminal.write(_text(completion) + "\n")
            raise
        self.terminal.write("\n")


@dataclass
class LineView:
    """One line per completion, its own line ends shown as ``\\n`` and ``\\r``."""

    terminal: Terminal
    echo: bool

    def show(self, number: int, completion: Completion) -> None:  # noqa: ARG002
        """Print the line when the completion has ended."""
        tokens, interrupted = _all_tokens(completion)
        text = _text(tokens)
        if self.echo:
            text = str(completion.request.prompt) + text
        # Only line ends, for programs that read lines: all else reaches a pipe unchanged.
        self.terminal.write(text.replace("\r", "\\r").replace("\n", "\\n") + "\n")
        if interrupted:
            raise interrupted


@dataclass
class JsonView:
    """One object per completion, with all that is needed to repeat it."""

    terminal: Terminal
    file: ModelFile
    generator: Generator
    from_lines: bool

    def show(self, number: int, completion: Completion) -> None:
        """Print the object when the completion has ended."""
        tokens, interrupted = _all_tokens(completion)
        line = {"line": completion.request.number} if self.from_lines else {}
        line["index"] = number
        self.terminal.write_json(line | self._record(tokens, completion))
        if interrupted:
            raise interrupted

    def _record(self, tokens: Sequence[Token], completion: Completion) -> dict[str, Any]:
        from ...engine.llama.bindings import features

        context = self.generator.context
        how = {"parallel": context.sequences, "flash_attention": context.flash_attention}
        record: dict[str, Any] = {
            "prompt": completion.request.prompt,
            "text": _text(tokens),
            "seed": completion.seed,
            "finish_reason": completion.finish_reason,
            "tokens": {"prompt": len(completion.prompt), "completion": completion.token_count},
            "options": asdict(self.generator.options) | how,
            "model": model_record(self.file),
            "placement": placement_record(context.placement),
            "warnings": list(context.placement.warnings),
            "versions": versions_record(),
            "cpu_features": features(),
            "timings": timings_record(self.generator, completion),
        }
        if self.generator.alternatives is not None:
            record["logprobs"] = list(logprob_records(self.generator, tokens))
        return record


def _text(tokens: Iterable[Token]) -> str:
    return "".join(token.text for token in tokens)


def _all_tokens(completion: Completion) -> tuple[list[Token], KeyboardInterrupt | None]:
    """Return the tokens, and the interrupt, if there was one."""
    tokens: list[Token] = []
    try:
        tokens.extend(completion)
    except KeyboardInterrupt as interrupt:
        completion.interrupt()
        tokens.extend(completion)
        return tokens, interrupt
    return tokens, None


def timings_record(generator: Generator, completion: Completion) -> Mapping[str, float]:
    """Return seconds, and tokens per second, 0 if no time has passed."""
    prompt, generation = completion.prompt_seconds, completion.seconds
    return {
        "load_seconds": round(generator.load_seconds, 6),
        "prompt_seconds": round(prompt, 6),
        "generation_seconds": round(generation, 6),
        "prompt_tokens_per_second": round(len(completion.prompt) / prompt, 1) if prompt else 0.0,
        "generation_tokens_per_second": (
            round(completion.token_count / generation, 1) if generation else 0.0
        ),
    }


def statistics(file: ModelFile, generator: Generator, completion: Completion) -> str:
    """Return the line that ``--stats`` prints for a completion."""
    timings = timings_record(generator, completion)
    return (
        f"seed {completion.seed} · {file.name} · {completion.finish_reason}"
        f" · load {timings['load_seconds']:.3f} s"
        f" · prompt {len(completion.prompt)} tokens,"
        f" {timings['prompt_tokens_per_second']:.0f} tokens/s"
        f" · completion {completion.token_count} tokens,"
        f" {timings['generation_tokens_per_second']:.0f} tokens/s"
        f" · {generator.context.placement}"
    )


def total_statistics(completions: int, tokens: int, seconds: float) -> str:
    """Return the line that ``--stats`` prints after several completions."""
    return (
        f"{completions} completions · {tokens} tokens in {seconds:.3f} s,"
        f" {tokens / seconds:.0f} tokens/s"
    )
