"""What every ``llama_context`` of distil has in common: its settings, its threads and its end."""

import ctypes
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TypeVar

from ...errors import DistilError, UsageError
from . import interrupts, log
from .bindings import lib
from .fitting import no_room
from .model import Model

_Self = TypeVar("_Self", bound="NativeContext")


class NativeContext:
    """A ``llama_context``. Close it, or use it as a context manager.

    Attributes:
        model: what texts are evaluated with.
        size: the tokens that a text may have.
        placement: where the model's layers are, and what memory they and the context take there.
        adapter_scales: those of the model's adapters, as they are used now.
    """

    def __init__(self, model: Model, size: int | None) -> None:
        """Check the size, by default the model's whole window; nothing is made yet.

        Raises:
            UsageError: ``size`` is above the model's window, which llama.cpp can't survive.
        """
        self.model = model
        self.size = model.window if size is None else size
        self.pointer: Any = None
        self.adapter_scales: tuple[float, ...] = ()
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
                self.model.contexts -= 1

    def _open(self, params: Any) -> None:
        """Make the context.

        Raises:
            DeviceMemoryError: a device has no room for it.
            DistilError: llama.cpp can't, for want of memory for instance.
        """
        self.pointer = self._new_pointer(params)
        if not self.pointer and self.model.leave_devices(log.reason()):
            self.pointer = self._new_pointer(params)
        if not self.pointer:
            raise self._failure(params, log.reason())
        self.placement = self.model.placement.with_buffers_of(log.placement())
        self.model.contexts += 1
        self._memory = lib.llama_get_memory(self.pointer)
        if self.model.adapters:
            self.scale_adapters(self.model.adapter_scales)

    def scale_adapters(self, scales: Sequence[float]) -> None:
        """Multiply what each of the model's adapters changes with its scale from now on.

        What was evaluated before stays as it is: forget it, or it is used beside the new weights.

        Args:
            scales: finite numbers, one for each adapter.

        Raises:
            DistilError: llama.cpp can't.
        """
        count = len(scales)
        pointers = (lib.llama_adapter_lora_p_ctypes * count)(*self.model.adapter_pointers)
        status = lib.llama_set_adapters_lora(
            self.pointer, pointers, count, (ctypes.c_float * count)(*scales)
        )
        if status != 0:
            raise DistilError(
                f"llama.cpp can't apply the adapters (llama_set_adapters_lora returned {status}).",
                "Leave out the adapters.",
            )
        self.adapter_scales = tuple(scales)

    def _new_pointer(self, params: Any) -> Any:
        log.start()
        with interrupts.held_back:
            return lib.llama_init_from_model(self.model.pointer, params)

    def _failure(self, params: Any, reason: str) -> DistilError:
        placement = self.model.placement
        if placement.is_on_device and not self.model.contexts:
            self.model.close()
            return no_room(
                self.model.path,
                self.model.offload,
                placement.total_layers,
                self.size,
                reason,
                params,
            )
        return DistilError(
            f"llama.cpp can't make a context of {params.n_ctx} tokens: {reason}.",
            "Free some memory, or use a smaller model.",
        )

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
