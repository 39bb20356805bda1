"""The device that the tests compute on."""

from pathlib import Path

import pytest

from distilgpt2_cli.engine import Device, list_devices
from tests.support import gguf


def pytest_report_header() -> str:
    """Tell which device it is."""
    found = "; ".join(
        f"{device.name}, {device.description}, by {device.backend}" for device in list_devices()
    )
    return f"GPU: {found or 'none'}"


@pytest.fixture(scope="session")
def device() -> Device:
    """The first device that llama.cpp sees; without one these tests mean nothing."""
    devices = list_devices()
    assert devices, "llama.cpp sees no device: set GGML_VK_VISIBLE_DEVICES=0 for one in software"
    return devices[0]


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of 12 layers in 359 MB of 32-bit floats, most of it the vocabulary's."""
    shape = gguf.Shape(layers=12, width=512, heads=8)
    return gguf.write(tmp_path_factory.mktemp("wide") / "wide.gguf", shape)
