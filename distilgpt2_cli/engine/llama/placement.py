"""Where a model's layers are wanted, and where they went."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ...errors import DeviceConflictError, ParameterError
from ...units import format_bytes

_MEBIBYTE = 2**20
_LAYER = re.compile(r"layer +\d+ assigned to device ([^,]+)")
_BUFFER = re.compile(r"(\S+) +(?:model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")


@dataclass(frozen=True, slots=True)
class Offload:
    """Where a model's layers are wanted.

    Attributes:
        layers: how many of the last layers go to the devices, the output layer being one of them
            as in llama.cpp; ``all``; or ``auto``, which is all where a device takes them, and
            otherwise none.
        devices: the names of the devices that share them; none for llama.cpp's own choice.
    """

    layers: int | Literal["auto", "all"] = "auto"
    devices: Sequence[str] = ()

    @classmethod
    def parse(cls, layers: str, devices: Sequence[str] = ()) -> "Offload":
        """Read ``auto``, ``all``, ``none`` or a number.

        Raises:
            ParameterError: it is nothing of these.
            DeviceConflictError: devices are named for no layers.
        """
        # Python refuses to read a number of thousands of digits.
        count = int(layers) if layers.isdecimal() and len(layers) <= 10 else None
        if layers == "none" or count == 0:
            if devices:
                raise DeviceConflictError(layers, devices[0])
            return CPU_ONLY
        if layers == "auto":
            return cls("auto", tuple(devices))
        if layers == "all":
            return cls("all", tuple(devices))
        if count is not None and count < 2**31:
            return cls(count, tuple(devices))
        raise ParameterError("layers", layers, "auto, all, none, or a number of layers")

    @property
    def asks_for_device(self) -> bool:
        """Whether it can't be obeyed without a device."""
        return bool(self.devices) or self.layers not in ("auto", 0)


AUTO = Offload()
"""Where llama.cpp finds best, and never a failure."""
CPU_ONLY = Offload(layers=0)
"""No layer on any device."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the layers of a model went, and what memory it and its context take there.

    Attributes:
        layers: how many each device has, ``CPU`` among them; the output layer is one.
        device_bytes: of each device but the CPU, as llama.cpp reports it.
        refusal: why no device took the layers that ``auto`` meant for it; None if that is not so.
        warnings: sentences about the model's file: what llama.cpp warned of when it was loaded.
    """

    layers: Mapping[str, int] = field(default_factory=dict)
    device_bytes: Mapping[str, int] = field(default_factory=dict)
    refusal: str | None = None
    warnings: Sequence[str] = ()

    @classmethod
    def read(cls, log: Iterable[str]) -> "Placement":
        """Read what llama.cpp logs while it loads a model or makes a context."""
        layers: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for line in log:
            if found := _LAYER.search(line):
                layers[found[1]] += 1
            elif found := _BUFFER.search(line):
                sizes[found[1]] += round(float(found[2]) * _MEBIBYTE)
        return cls(dict(layers), dict(sizes))

    def with_buffers_of(self, other: "Placement") -> "Placement":
        """Return it with the memory of a context, whose buffers have the names of the devices.

        A device has several kinds of buffers, such as ``MTL0`` and ``MTL0_Private``.
        """
        sizes: Counter[str] = Counter()
        for name, size in (*self.device_bytes.items(), *other.device_bytes.items()):
            device = name.partition("_")[0]
            if device in self.layers and device != "CPU":
                sizes[device] += size
        return replace(self, device_bytes=dict(sizes))

    @property
    def is_on_device(self) -> bool:
        """Whether any layer is elsewhere than on the CPU."""
        return any(device != "CPU" for device in self.layers)

    @property
    def total_layers(self) -> int:
        """All layers of the model, the output layer among them."""
        return sum(self.layers.values())

    def __str__(self) -> str:
        """Such as ``7 of 7 layers on Vulkan0, 93.4 MB``."""
        return ", ".join(self._of_device(device) for device in self._devices()) or "on the CPU"

    @property
    def short(self) -> str:
        """Such as ``7/7 Vulkan0``, or ``CPU``."""
        parts = [f"{self.layers[name]}/{self.total_layers} {name}" for name in self._devices()]
        return " ".join(parts) or "CPU"

    def _devices(self) -> list[str]:
        return [device for device in self.layers if device != "CPU"]

    def _of_device(self, device: str) -> str:
        size = format_bytes(self.device_bytes.get(device, 0))
        return f"{self.layers[device]} of {self.total_layers} layers on {device}, {size}"
