"""How completions are shown: as text while they are made, or as JSON Lines."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from .. import __version__
from ..engine import Completion, Generator
from ..models import ModelFile
from ..terminal import DIM, Terminal
from .model import model_record


class View(Protocol):
    """Shows one completion after another."""

    def show(self, number: int, completion: Completion) -> None:
        """Make completion ``number``, counted from 0, and show it; also if it is interrupted."""


def view_of(
    terminal: Terminal,
    prompt: str,
    file: ModelFile,
    generator: Generator,
    json: bool,
    echo: bool,
    count: int,
) -> View:
    """Return the view that the options ask for."""
    if json:
        return JsonView(terminal, prompt, model_record(file), versions_record(), generator)
    return TextView(terminal, prompt if echo or terminal.stdout_is_terminal else "", count)


@dataclass
class TextView:
    """The text itself, as it comes, with the prompt before it if there is one to show."""

    terminal: Terminal
    prompt: str
    count: int

    def show(self, number: int, completion: Completion) -> None:
        """Stream the completion, set apart from the one before."""
        if self.terminal.stdout_is_terminal:
            if self.count > 1:
                self.terminal.rule(f"{number + 1} of {self.count} · seed {completion.seed}")
        elif number > 0:
            self.terminal.write("\n")
        self.terminal.write(self.prompt, style=DIM)
        try:
            for token in completion:
                self.terminal.write(token.text)
        except KeyboardInterrupt:
            self.terminal.write(completion.interrupt() + "\n")
            raise
        self.terminal.write("\n")


@dataclass
class JsonView:
    """One object a completion, with all that is needed to repeat it."""

    terminal: Terminal
    prompt: str
    model: Mapping[str, Any]
    versions: Mapping[str, str]
    generator: Generator

    def show(self, number: int, completion: Completion) -> None:  # noqa: ARG002
        """Print the object when the completion has ended."""
        pieces: list[str] = []
        try:
            for token in completion:
                pieces.append(token.text)
        except KeyboardInterrupt:
            pieces.append(completion.interrupt())
            self._print("".join(pieces), completion)
            raise
        self._print("".join(pieces), completion)

    def _print(self, text: str, completion: Completion) -> None:
        self.terminal.write_json(
            {
                "prompt": self.prompt,
                "text": text,
                "seed": completion.seed,
                "finish_reason": completion.finish_reason,
                "tokens": {
                    "prompt": len(self.generator.prompt),
                    "completion": completion.token_count,
                },
                "options": asdict(self.generator.options),
                "model": self.model,
                "versions": self.versions,
                "timings": timings_record(self.generator, completion),
            }
        )


def versions_record() -> dict[str, str]:
    """Return the versions of distil and of what generates the text."""
    from ..engine import versions

    return {"distil": __version__, **versions()}


def timings_record(generator: Generator, completion: Completion) -> Mapping[str, float]:
    """Return seconds, and tokens per second where any time has passed."""
    prompt, generation = generator.prompt_seconds, completion.seconds
    return {
        "load_seconds": round(generator.load_seconds, 6),
        "prompt_seconds": round(prompt, 6),
        "generation_seconds": round(generation, 6),
        "prompt_tokens_per_second": round(len(generator.prompt) / prompt, 1) if prompt else 0.0,
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
        f" · prompt {len(generator.prompt)} tokens,"
        f" {timings['prompt_tokens_per_second']:.0f} tokens/s"
        f" · completion {completion.token_count} tokens,"
        f" {timings['generation_tokens_per_second']:.0f} tokens/s"
    )
