"""What every ``llama_context`` of distil has in common: its settings, its threads and its end."""

from types import TracebackType
from typing import Any, TypeVar

from ..errors import DistilError, UsageError
from . import interrupts, log
from .bindings import lib
from .model import Model

# Tokens evaluated at once. The logits depend on where a text is cut, so this never changes.
PHYSICAL_BATCH = 512

_Self = TypeVar("_Self", bound="NativeContext")


class NativeContext:
    """A ``llama_context``. Close it, or use it as a context manager.

    Attributes:
        model: what texts are evaluated with.
        size: the tokens that a text may have.
    """

    def __init__(self, model: Model, size: int | None) -> None:
        """Check the size, by default the model's whole window; nothing is made yet.

        Raises:
            UsageError: ``size`` is above the model's window, which llama.cpp can't survive.
        """
        self.model = model
        self.size = model.window if size is None else size
        self.pointer: Any = None
        if not 0 < self.size <= model.window:
            raise UsageError(
                f"A context of {self.size} tokens does not fit this model.",
                f"Use a size from 1 to {model.window}.",
            )

    def close(self) -> None:
        """Free the context."""
        if self.pointer:
            with interrupts.held_back:
                lib.llama_free(self.pointer)
                self.pointer = None

    def _params(self, size: int, sequences: int) -> Any:
        """Return the settings for ``size`` tokens in so many sequences.

        Raises:
            UsageError: there are more sequences than llama.cpp can evaluate together.
        """
        most = lib.llama_max_parallel_sequences()
        if not 0 < sequences <= most:
            raise UsageError(
                f"{sequences} sequences can't be evaluated together.",
                f"Use a number from 1 to {most}.",
            )
        params = lib.llama_context_default_params()
        params.n_ctx = size
        params.n_seq_max = sequences
        params.n_ubatch = PHYSICAL_BATCH
        # Chosen by llama.cpp otherwise, and the logits are not the same with it and without.
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.no_perf = True
        return params

    def _open(self, params: Any) -> None:
        """Make the context.

        Raises:
            DistilError: llama.cpp can't, for want of memory for instance.
        """
        log.start()
        with interrupts.held_back:
            self.pointer = lib.llama_init_from_model(self.model.pointer, params)
        if not self.pointer:
            raise DistilError(
                f"llama.cpp can't make a context of {params.n_ctx} tokens: {log.reason()}.",
                "Free some memory, or use a smaller model.",
            )
        self._memory = lib.llama_get_memory(self.pointer)

    def _use_threads(self, count: int) -> None:
        lib.llama_set_n_threads(self.pointer, count, count)

    def _decode(self, batch: object) -> None:
        status = lib.llama_decode(self.pointer, batch)
        if status != 0:
            raise DistilError(
                f"llama.cpp can't evaluate the text (llama_decode returned {status}): "
                f"{log.reason()}.",
                "Free some memory, or use a smaller model.",
            )

    def __enter__(self: _Self) -> _Self:
        """Return the context itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the context."""
        self.close()
