"""The weights of a GPT-2 checkpoint under llama.cpp's names.

transformers keeps matrices as its Conv1D has them, input by output; llama.cpp wants output by
input. The names are those of ``GPT2LMHeadModel`` in transformers and of ``gpt2`` in llama.cpp.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelDamagedError
from .config import Config
from .gguf_file import NewTensor
from .tensors import TYPES, TensorFiles, TensorSource, check_floats
from .untrusted import CHECK_FOLDER

Array = NDArray[Any]

MATRICES = {
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
"""The matrices of a block, by their names in transformers."""
_NORMS = {"ln_1": "attn_norm", "ln_2": "ffn_norm"}
_PREFIX = "transformer."
_EMBEDDING, _HEAD = "wte.weight", "lm_head.weight"  # in transformers
# Masks, which older versions of transformers saved, and the head for multiple choice.
_WITHOUT_USE = re.compile(r"h\.\d+\.attn\.(masked_)?bias|multiple_choice_head\..*")


class Weights:
    """The tensors of a GPT-2, checked against its shape.

    Attributes:
        rows: of the embedding.
        notices: sentences on what is not as ``config.json`` says.
    """

    def __init__(self, files: TensorFiles, config: Config) -> None:
        """Check that there is what the shape asks for, and nothing else.

        Args:
            files: of the checkpoint, open as long as the tensors are read.
            config: its shape.

        Raises:
            ModelDamagedError: a tensor is missing, has another shape or no floating-point
                numbers, or is not one of a GPT-2.
        """
        self._files = files
        self._config = config
        self._full_names = {name.removeprefix(_PREFIX): name for name in files}
        self.notices: list[str] = []
        self._used: set[str] = set()
        self.rows = next(iter(self._source(_EMBEDDING).shape), 0)
        is_tied = config.tied and not self._has_another_head()
        self._head = _EMBEDDING if is_tied else _HEAD
        self._tensors = [*self._model(), self._matrix("output.weight", self._head)]
        self._refuse_others()

    def tensors(self, *, separate_output: bool) -> list[NewTensor]:
        """Return the tensors to write, with a copy of a tied output matrix if that is wanted."""
        is_tied = self._head == _EMBEDDING and not separate_output
        return self._tensors[:-1] if is_tied else self._tensors

    def _model(self) -> list[NewTensor]:
        config, width = self._config, self._config.width
        found = [
            self._matrix("token_embd.weight", _EMBEDDING),
            self._tensor("position_embd.weight", "wpe.weight", (config.context, width), exact=True),
            *self._norm("output_norm", "ln_f"),
        ]
        shapes = {
            "attn_qkv": (width, 3 * width),
            "attn_output": (width, width),
            "ffn_up": (width, config.feed_forward),
            "ffn_down": (config.feed_forward, width),
        }
        for layer in range(config.layers):
            for theirs, ours in _NORMS.items():
                found += self._norm(f"blk.{layer}.{ours}", f"h.{layer}.{theirs}")
            for theirs, ours in MATRICES.items():
                found += self._affine(f"blk.{layer}.{ours}", f"h.{layer}.{theirs}", shapes[ours])
        return found

    def _matrix(self, ours: str, theirs: str) -> NewTensor:
        return self._tensor(ours, theirs, (self.rows, self._config.width))

    def _norm(self, ours: str, theirs: str) -> list[NewTensor]:
        shape = (self._config.width,)
        return [
            self._tensor(f"{ours}.{part}", f"{theirs}.{part}", shape, exact=True)
            for part in ("weight", "bias")
        ]

    def _affine(self, ours: str, theirs: str, shape: tuple[int, int]) -> list[NewTensor]:
        return [
            self._tensor(f"{ours}.weight", f"{theirs}.weight", shape, transposed=True),
            self._tensor(f"{ours}.bias", f"{theirs}.bias", shape[1:], exact=True),
        ]

    def _tensor(
        self,
        ours: str,
        theirs: str,
        shape: Sequence[int],
        *,
        transposed: bool = False,
        exact: bool = False,
    ) -> NewTensor:
        """Return one tensor; those that llama.cpp adds or scales with have 32 bits (``exact``)."""
        source = self._source(theirs)
        check_floats(source, shape)
        kind = np.float32 if exact or source.type == "F64" else TYPES[source.type]
        read: Callable[[], Array] = partial(self._files.read, source.name)
        if transposed:
            return NewTensor(ours, tuple(reversed(shape)), kind, lambda: read().T)
        return NewTensor(ours, tuple(shape), kind, read)

    def _source(self, name: str) -> TensorSource:
        full = self._full_names.get(name)
        if full is None:
            raise ModelDamagedError(f"The tensor {name!r} is missing.", CHECK_FOLDER)
        self._used.add(name)
        return self._files.describe(full)

    def _has_another_head(self) -> bool:
        """Return whether there is an output matrix that is not the embedding, as tied ones are."""
        if _HEAD not in self._full_names:
            return False
        head, embedding = self._source(_HEAD).name, self._source(_EMBEDDING).name
        if self._files.are_equal(head, embedding):
            return False
        self.notices.append(
            f"{_HEAD} is not the embedding, though the model is said to tie them: it is kept."
        )
        return True

    def _refuse_others(self) -> None:
        for name in self._full_names:
            if name not in self._used and not _WITHOUT_USE.fullmatch(name):
                raise ModelDamagedError(
                    f"The tensor {name!r} is not one of a GPT-2 with {self._config.layers} layers.",
                    CHECK_FOLDER,
                )
