"""Hidden states between the blocks of a model.

They are numbered as transformers numbers ``hidden_states``: 0 is what the first block gets, and the
state of layer k is what block k gives. The last one is taken after the final layer norm.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from ...errors import DistilError, ParameterError
from ..llama.model import Model
from ..llama.taps import Array, Receiver, Taps
from .evaluator import Evaluator, Rows

# Where the first block begins, the last of these that a graph has: `embd` is the token's vector
# alone, and a model that adds positions to it, scales it or normalizes it names the result.
_FIRST = ("embd", "inpL", "inp_scaled", "inp_norm")


def block_output(layer: int) -> str:
    """Return llama.cpp's name of what block ``layer``, from 1, gives."""
    return f"l_out-{layer - 1}"


def check_layer(model: Model, layer: int, first: int = 0) -> None:
    """Make sure that a model has a layer.

    Args:
        model: the model.
        layer: the number of the layer.
        first: the lowest that it may be.

    Raises:
        ParameterError: it has not.
    """
    if not first <= layer <= model.layers:
        raise ParameterError("layer", layer, f"a number from {first} to {model.layers}")


class StateCollector:
    """Takes the hidden states of some layers as llama.cpp computes them.

    Attributes:
        receivers: for `Taps.receiving`.
    """

    def __init__(self, layers: Sequence[int]) -> None:
        """Take those of these layers, the last of them before the final layer norm."""
        self._layers = layers
        names = [name for layer in layers for name in _names(layer)]
        self._parts: dict[str, list[Array]] = {name: [] for name in names}
        self.receivers: Mapping[str, Receiver] = {
            name: parts.append for name, parts in self._parts.items()
        }

    def take(self, tokens: int) -> list[Rows]:
        """Return the states of each layer since the last call, tokens by width.

        Raises:
            DistilError: llama.cpp has not computed a layer for each of so many tokens.
        """
        return [self._taken(layer, tokens) for layer in self._layers]

    def _taken(self, layer: int, tokens: int) -> Rows:
        found = None
        for name in _names(layer):
            parts = [each[0, 0] for each in self._parts[name]]
            self._parts[name].clear()
            if sum(map(len, parts)) == tokens:
                found = np.concatenate(parts)
        if found is None:
            raise unseen(_names(layer)[0])
        return found


class LayerEvaluator(Evaluator):
    """An evaluator that gives the hidden states of a layer, in place of those of the last one.

    It computes without flash attention, which is a little less exact: a text alone has the same
    states as in `look_inside`, to the last bit.
    """

    def __init__(
        self, model: Model, layer: int, size: int | None, threads: int | None, sequences: int
    ) -> None:
        """Make room as `Evaluator` does, and raise what it raises.

        Raises:
            ParameterError: the model does not have this layer.
        """
        check_layer(model, layer)
        self._taps = Taps()
        self._collector = StateCollector([layer])
        super().__init__(
            model,
            size,
            threads,
            sequences,
            hidden_states=True,
            flash_attention=False,
            taps=self._taps,
        )

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with super()._computing(), self._taps.receiving(self._collector.receivers):
            yield

    def _rows(self, count: int) -> Rows:
        self._taps.check()
        return self._collector.take(count)[0]


def unseen(name: str) -> DistilError:
    """Return the error for a graph that does not have a tensor."""
    return DistilError(
        f"The layers of this model can't be read: llama.cpp computes it without {name}.",
        "Use a model such as DistilGPT2 or GPT-2.",
    )


def _names(layer: int) -> Sequence[str]:
    return (block_output(layer),) if layer else _FIRST
