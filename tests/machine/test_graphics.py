"""Graphics adapters are found on the PCI bus, and each kind has its build."""

import sys
from pathlib import Path

import pytest

from distilgpt2_cli.machine import builds, installation
from distilgpt2_cli.machine.graphics import Adapter, adapters

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from files of Linux")


def add(pci: Path, address: str, kind: str, vendor: str, driver: str | None = None) -> None:
    device = pci / address
    device.mkdir(parents=True)
    (device / "class").write_text(f"{kind}\n")
    (device / "vendor").write_text(f"{vendor}\n")
    if driver:
        folder = pci.parent / "drivers" / driver
        folder.mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(folder)


def test_only_display_controllers_that_llama_cpp_knows(tmp_path: Path) -> None:
    pci = tmp_path / "devices"
    add(pci, "0000:00:02.0", "0x030000", "0x8086", "i915")
    add(pci, "0000:00:1f.0", "0x060100", "0x8086")
    add(pci, "0000:01:00.0", "0x030200", "0x10de")
    add(pci, "0000:02:00.0", "0x030000", "0x1234")
    found = adapters(pci)
    assert found[:2] == [Adapter("Intel", "i915"), Adapter("NVIDIA", None)]
    assert [str(adapter) for adapter in found] == ["Intel (driver i915)", "NVIDIA (no driver)"]


def test_no_bus(tmp_path: Path) -> None:
    assert adapters(tmp_path / "nothing") == adapters(tmp_path)


def test_each_adapter_has_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_for(vendor: str, cuda: tuple[int, int] | None = None) -> str:
        monkeypatch.setattr(builds, "adapters", lambda: [Adapter(vendor, None)])
        monkeypatch.setattr(builds, "cuda_version", lambda: cuda)
        command = builds.command_for_gpu()
        assert command is not None
        return command

    assert "/whl/metal 'llama-cpp-python" in build_for("Apple")
    assert "/whl/vulkan 'llama-cpp-python" in build_for("AMD")
    assert "/whl/vulkan 'llama-cpp-python" in build_for("NVIDIA")  # without NVIDIA's driver
    assert "/whl/cu124 " in build_for("NVIDIA", (12, 4))
    assert "/whl/cu125 " in build_for("NVIDIA", (12, 8))
    assert "/whl/cu132 " in build_for("NVIDIA", (13, 5))
    assert build_for("NVIDIA", (11, 4)).startswith('CMAKE_ARGS="-DGGML_CUDA=on" ')
    assert "--only-binary llama-cpp-python" in build_for("AMD")


def test_paths_do_not_show_the_user_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/ada")
    assert installation.short_path("/users/ada/venv/bin/python") == "~/venv/bin/python"
    assert installation.short_path("/users/adam/python") == "/users/adam/python"
