"""What a model file is: its tensors and metadata, as llama.cpp itself reads them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .bindings import lib
from .gguf import Array, Scalar, Tensor, all_tensors, metadata_of, opened
from .model import MAX_WINDOW, Model
from .placement import CPU_ONLY


@dataclass(frozen=True, slots=True)
class TensorType:
    """All tensors of one type together."""

    type: str
    tensors: int
    elements: int
    bytes: int

    @classmethod
    def of(cls, name: str, tensors: Sequence[Tensor]) -> "TensorType":
        """Sum up tensors."""
        return cls(
            name,
            len(tensors),
            sum(tensor.elements for tensor in tensors),
            sum(tensor.bytes for tensor in tensors),
        )

    @property
    def bits_per_weight(self) -> float:
        """Bits that an element takes, with the scales of its block."""
        return 8 * self.bytes / self.elements if self.elements else 0.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file says of the model in it.

    Attributes:
        architecture: such as ``gpt2``.
        quantization: the name of the mix of types that the file calls its own, such as ``Q4_K_M``;
            None if llama.cpp has no name for it.
        context_window: tokens that the model was trained on.
        usable_window: tokens of these that distil makes room for.
        layers: blocks of attention and feed-forward.
        width: numbers in a hidden state.
        heads: of attention, in a layer.
        vocabulary_size: tokens.
        tokenizer: its algorithm.
        tensors: in the file's order.
        warnings: sentences about it: what llama.cpp warned of when it was loaded.
        metadata: all keys and values, in the file's order. A text ends at a null character, as it
            does for llama.cpp, and has U+FFFD in place of what is not UTF-8.
    """

    architecture: str
    quantization: str | None
    context_window: int
    usable_window: int
    layers: int
    width: int
    heads: int
    vocabulary_size: int
    tokenizer: str
    tensors: Sequence[Tensor]
    warnings: Sequence[str]
    metadata: Mapping[str, Scalar | Array]

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return self.total.elements

    @property
    def tensor_types(self) -> Sequence[TensorType]:
        """The types that tensors are stored in, the one with most bytes first."""
        by_type: dict[str, list[Tensor]] = {}
        for tensor in self.tensors:
            by_type.setdefault(tensor.type, []).append(tensor)
        types = [TensorType.of(name, tensors) for name, tensors in by_type.items()]
        return sorted(types, key=lambda kind: kind.bytes, reverse=True)

    @property
    def total(self) -> TensorType:
        """All tensors together."""
        return TensorType.of("total", self.tensors)


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Load a model file, and return what it is.

    It is loaded whole, so that what can be inspected can be used.

    Raises:
        ModelDamagedError: llama.cpp can't load it, or it is not a causal language model.
    """
    with Model(path, CPU_ONLY) as model, opened(path) as gguf:
        pointer = model.pointer
        window = lib.llama_model_n_ctx_train(pointer)
        metadata = dict(metadata_of(gguf))
        return Inspection(
            architecture=str(metadata.get("general.architecture")),
            quantization=_quantization(lib.llama_model_ftype(pointer)),
            context_window=window,
            usable_window=min(window, MAX_WINDOW),
            layers=lib.llama_model_n_layer(pointer),
            width=lib.llama_model_n_embd(pointer),
            heads=lib.llama_model_n_head(pointer),
            vocabulary_size=model.vocabulary_size,
            tokenizer=_tokenizer(lib.llama_vocab_type(lib.llama_model_get_vocab(pointer))),
            tensors=tuple(all_tensors(path, gguf, metadata)),
            warnings=model.placement.warnings,
            metadata=metadata,
        )


def _quantization(file_type: int) -> str | None:
    """Return the short name of a ``llama_ftype``."""
    file_type &= ~lib.LLAMA_FTYPE_GUESSED  # set where the file itself does not say
    names = (name for name, value in vars(lib).items() if value == file_type)
    constants = (name for name in names if name.startswith("LLAMA_FTYPE_"))
    return next((name.split("_", 3)[3] for name in constants), None)  # after ALL or MOSTLY


def _tokenizer(vocabulary_type: int) -> str:
    """Return what llama.h says of a ``llama_vocab_type``."""
    names = {
        lib.LLAMA_VOCAB_TYPE_SPM: "SentencePiece BPE with byte fallback",
        lib.LLAMA_VOCAB_TYPE_BPE: "byte-level BPE",
        lib.LLAMA_VOCAB_TYPE_WPM: "WordPiece",
        lib.LLAMA_VOCAB_TYPE_UGM: "Unigram",
        lib.LLAMA_VOCAB_TYPE_RWKV: "greedy",
        lib.LLAMA_VOCAB_TYPE_PLAMO2: "Aho-Corasick",
    }
    return names.get(vocabulary_type, "unknown")
