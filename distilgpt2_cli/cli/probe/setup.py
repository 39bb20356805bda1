"""What a probe is made with."""

from dataclasses import dataclass

from ...engine.llama.placement import Offload
from ...engine.options import GenerationOptions
from ...models import ModelFile

_DEFAULTS = GenerationOptions()

CONTENT_WARNING = (
    "Content warning: what a model writes can be disturbing or offensive, and can repeat"
    " stereotypes."
)


@dataclass(frozen=True)
class Setup:
    """What a probe is made with.

    Attributes:
        file: the model's.
        seed: of the first completions, and of the bootstrap.
        threads: None for as many as are best.
        offload: where the model's layers are wanted.
        template: the prompt with its alternatives; the rest is for a prompt only.
        options: those of every completion.
        count: completions of each variant.
        parallel: completions under way at once.
        top: next tokens, and words of each variant, to show.
        continuations: given texts.
    """

    file: ModelFile
    seed: int
    threads: int | None
    offload: Offload
    template: str = ""
    options: GenerationOptions = _DEFAULTS
    count: int = 0
    parallel: int = 1
    top: int = 0
    continuations: tuple[str, ...] = ()
