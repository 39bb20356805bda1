"""The graphics adapters of this computer, whether or not llama.cpp can use them."""

import ctypes
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_PCI = Path("/sys/bus/pci/devices")
_DISPLAY = "0x03"  # the PCI base class of display controllers; see pci_ids.h of Linux
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A graphics adapter for which llama.cpp has a backend.

    Attributes:
        vendor: NVIDIA, AMD, Intel or Apple.
        driver: the name of its driver in the system; None if it has none.
    """

    vendor: str
    driver: str | None

    def __str__(self) -> str:
        """Such as ``NVIDIA (driver nvidia)``."""
        return f"{self.vendor} ({f'driver {self.driver}' if self.driver else 'no driver'})"


def adapters(pci: Path = _PCI) -> list[Adapter]:
    """Return the adapters that the system reports."""
    if sys.platform == "darwin":
        return [Adapter("Apple", "Metal")] if platform.machine() == "arm64" else []
    found = [
        Adapter(_VENDORS[_read(device / "vendor")], _driver(device))
        for device in sorted(pci.glob("*"))
        if _read(device / "class").startswith(_DISPLAY) and _read(device / "vendor") in _VENDORS
    ]
    if cuda_version() and not any(adapter.vendor == "NVIDIA" for adapter in found):
        found.append(Adapter("NVIDIA", "CUDA"))  # as in WSL, where it is not on the PCI bus
    return found


def cuda_version() -> tuple[int, int] | None:
    """Return the newest version of CUDA that NVIDIA's driver runs; None without the driver.

    See ``cuDriverGetVersion`` in the CUDA Driver API: 1000 times the major plus 10 times the minor.
    """
    version = ctypes.c_int()
    try:
        status = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return (version.value // 1000, version.value % 1000 // 10) if status == 0 else None


def _driver(device: Path) -> str | None:
    link = device / "driver"
    return link.resolve().name if link.exists() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
