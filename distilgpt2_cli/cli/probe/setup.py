"""The settings of a probe."""

from dataclasses import dataclass

from ...engine.llama.placement import Offload
from ...engine.options import GenerationOptions
from ...models import ModelFile
from ...workers.run import Workers

_DEFAULTS = GenerationOptions()

CONTENT_WARNING = (
    "Content warning: what a model writes can be disturbing or offensive, and can repeat"
    " stereotypes."
)


@dataclass(frozen=True)
class Setup:
    """The settings of a probe.

    Attributes:
        file: the model file.
        seed: of the first completions, and of the bootstrap.
        seed_is_drawn: whether nobody chose it.
        threads: the number of threads; None to choose it while running.
        offload: where the model's layers are wanted.
        workers: how many processes may share the work.
        template: the prompt with its alternatives; this and the rest is for a prompt only.
        options: the generation options.
        count: completions per variant.
        parallel: completions computed at once.
        top: how many next tokens, and words per variant, to show.
        continuations: the texts to measure after each variant.
    """

    file: ModelFile
    seed: int
    seed_is_drawn: bool
    threads: int | None
    offload: Offload
    workers: Workers
    template: str = ""
    options: GenerationOptions = _DEFAULTS
    count: int = 0
    parallel: int = 1
    top: int = 0
    continuations: tuple[str, ...] = ()
