"""The adapters of a command: what the engine loads, and how they are named."""

from ...engine.llama.adapters import AdaptedFile, Adapter
from ...models import ModelFile


def adapted(file: ModelFile) -> AdaptedFile:
    """Return a model file with its adapters, as the engine loads it.

    Raises:
        ParameterError: there are too many adapters, or a scale is not finite.
    """
    return AdaptedFile(file.path, tuple(Adapter(each.path, each.scale) for each in file.adapters))


def lora_arguments(file: ModelFile) -> list[str]:
    """Return the command-line options for the adapters of a file."""
    return [
        argument for each in file.adapters for argument in ("--lora", f"{each.path}:{each.scale}")
    ]


def name_with_adapters(file: ModelFile) -> str:
    """Return the name of a model for people, such as ``base.gguf + poems.gguf:0.5``."""
    adapters = (f" + {each.name}:{each.scale:g}" for each in file.adapters)
    return file.name + "".join(adapters)
