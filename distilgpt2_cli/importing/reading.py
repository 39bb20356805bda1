"""A checkpoint, read and written as one GGUF file."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .adapter import adapter_tensors, read_adapter_config
from .card import Origin, metadata_of
from .checkpoint import ADAPTER_CONFIG, CONFIG, GENERATION_CONFIG, Checkpoint
from .config import Config, read_config, token_number
from .gguf_file import Array, NewTensor, adapter_writer, model_writer, write_tensors
from .gpt2 import Weights
from .tensors import TensorFiles, tensor_files
from .tokenizer import read_tokenizer
from .untrusted import is_file, read_json


@dataclass(frozen=True)
class Readable:
    """A checkpoint whose files are open, checked but for the values of its tensors.

    Attributes:
        size: bytes of its tensors, as `write` writes them.
        notices: sentences on what will be otherwise than in transformers.
        write: writes it to a path, and calls back with the bytes of each tensor that is done.
    """

    size: int
    notices: Sequence[str]
    write: Callable[[Path, Callable[[int], None]], None]


@contextmanager
def opened(
    checkpoint: Checkpoint, origin: Origin, *, separate_output: bool = False
) -> Iterator[Readable]:
    """Open a checkpoint of a GPT-2, or of an adapter for one.

    Args:
        checkpoint: its files.
        origin: where they come from.
        separate_output: write the output matrix too where it is the embedding.

    Raises:
        ModelUnavailableError: a file can't be read.
        ModelDamagedError: a file is damaged, or what it has is not possible in llama.cpp.
    """
    with tensor_files(checkpoint) as files:
        if checkpoint.is_adapter:
            yield _adapter(checkpoint.folder, files, origin)
        else:
            yield _model(checkpoint.folder, files, origin, separate_output)


def _model(folder: Path, files: TensorFiles, origin: Origin, separate_output: bool) -> Readable:
    config = _with_generation(read_config(folder / CONFIG), folder / GENERATION_CONFIG)
    weights = Weights(files, config)
    tokenizer = read_tokenizer(folder, config, weights.rows)
    metadata = metadata_of(folder, origin)
    tensors = weights.tensors(separate_output=separate_output)

    def write(path: Path, advance: Callable[[int], None]) -> None:
        writer = model_writer(path, config, tokenizer, metadata)
        write_tensors(writer, _counted(tensors, advance))

    return Readable(_size(tensors), [*weights.notices, *tokenizer.notices], write)


def _adapter(folder: Path, files: TensorFiles, origin: Origin) -> Readable:
    config = read_adapter_config(folder / ADAPTER_CONFIG)
    alpha, tensors = adapter_tensors(files, config)
    metadata = metadata_of(folder, origin, config.base)

    def write(path: Path, advance: Callable[[int], None]) -> None:
        write_tensors(adapter_writer(path, alpha, metadata), _counted(tensors, advance))

    return Readable(_size(tensors), (), write)


def _with_generation(config: Config, path: Path) -> Config:
    """Return a configuration with the end of texts that transformers generates with."""
    values = read_json(path) if is_file(path) else {}
    eos = token_number(values.get("eos_token_id"))
    return config if eos is None else replace(config, eos=eos)


def _size(tensors: Sequence[NewTensor]) -> int:
    return sum(tensor.size for tensor in tensors)


def _counted(tensors: Sequence[NewTensor], advance: Callable[[int], None]) -> list[NewTensor]:
    """Return tensors that report their size when their values are read."""

    def counted(tensor: NewTensor) -> NewTensor:
        def values() -> Array:
            advance(tensor.size)
            return tensor.values()

        return replace(tensor, values=values)

    return [counted(tensor) for tensor in tensors]
