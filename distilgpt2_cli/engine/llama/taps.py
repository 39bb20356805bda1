"""Tensors of llama.cpp's graph, copied or replaced while it computes a text.

Other values can be put in their place before anything is computed from them. They may be on a
device. A text longer than a micro-batch is computed in parts, and each name then comes once for
each part.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from .nodes import Array as Array
from .nodes import Node, Observer

Receiver = Callable[[Array], None]


class Taps(Observer):
    """What a context does with tensors, by their names in llama.cpp (src/models/gpt2.cpp)."""

    def __init__(self) -> None:
        """Copy and replace nothing."""
        super().__init__()
        self._receivers: Mapping[str, Receiver] = {}
        self._replaced: dict[str, Array] = {}

    @contextmanager
    def receiving(
        self, receivers: Mapping[str, Receiver], replaced: Mapping[str, Array] | None = None
    ) -> Iterator[None]:
        """Give copies of tensors to receivers, and replace others, while the block runs.

        Args:
            receivers: by the name of the tensor, which comes with its slowest dimension first.
            replaced: by the name of the tensor, the rows of a whole text.

        Raises:
            DistilError: a tensor has other values than 32-bit floats, or another size. What a
                receiver raised is raised too, when llama.cpp has returned.
        """
        self._receivers, self._replaced = receivers, dict(replaced or {})
        try:
            yield
        finally:
            self._receivers, self._replaced = {}, {}
        self.check()

    def wants(self, node: Node) -> bool:
        """Return whether a tensor of this name is copied or replaced."""
        if not (self._receivers or self._replaced):
            return False
        name = node.name
        return name in self._receivers or name in self._replaced

    def take(self, node: Node) -> None:
        """Replace a tensor, and copy it."""
        name = node.name
        if name in self._replaced:
            rest = self._replaced[name]
            count = node.shape[-2]
            node.write(rest[:count])
            self._replaced[name] = rest[count:]
        if name in self._receivers:
            self._receivers[name](node.read())
