"""A device that has not enough memory: for one in software, a limit of the process."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.engine import Context, Device, Model, Offload

_PEAK = (
    "import runpy, sys\n"
    "sys.argv[0] = 'distil'\n"
    "try:\n"
    "    runpy.run_module('distilgpt2_cli', run_name='__main__')\n"
    "finally:\n"
    "    status = open('/proc/self/status').read()\n"
    "    print(status.partition('VmPeak:')[2].split()[0], file=sys.stderr)\n"
)


@pytest.fixture(autouse=True)
def _in_software(device: Device) -> None:
    if "llvmpipe" not in device.description:
        pytest.skip("only the memory of a device in software can be limited")


def generate(model: Path, layers: str, limit: int) -> subprocess.CompletedProcess[str]:
    """Run with an address space of ``limit`` bytes; the last line of errors is the peak in kB."""
    arguments = ["generate", "-m", str(model), "--gpu-layers", layers, "--threads", "1"]
    arguments += ["--temperature", "0", "--max-tokens", "1", "--stats", "Hi"]
    return subprocess.run(
        [sys.executable, "-c", _PEAK, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )


@pytest.fixture(scope="module")
def limit(wide: Path) -> int:
    """Room for some of the layers."""
    peaks = []
    for layers in ("1", "all"):
        result = generate(wide, layers, 2**40)
        assert result.returncode == 0, result.stderr
        peaks.append(int(result.stderr.split()[-1]) * 1024)
    assert peaks[0] < peaks[1]
    return sum(peaks) // 2


def test_the_number_that_would_fit_does_fit(wide: Path, limit: int, device: Device) -> None:
    result = generate(wide, "all", limit)
    assert (result.returncode, result.stdout) == (1, "")
    told = re.search(
        rf"Error: {device.name} can't take 13 of 13 layers with a context of \d+ tokens: .*\."
        r" Use --gpu-layers (\d+), the most that fits\.",
        result.stderr,
    )
    assert told, result.stderr
    assert 1 <= int(told[1]) <= 12
    assert "Traceback" not in result.stderr
    again = generate(wide, told[1], limit)
    assert again.returncode == 0, again.stderr
    assert f"{told[1]} of 13 layers on {device.name}" in again.stderr


def test_auto_never_fails(wide: Path, limit: int) -> None:
    result = generate(wide, "auto", limit)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    assert "The model could not be loaded on the GPU (" in result.stderr
    assert "on the CPU" in result.stderr


def test_a_model_whose_context_has_no_room_moves_to_the_cpu(tiny: Path, device: Device) -> None:
    with Model(tiny) as model:
        assert model.placement.layers == {device.name: 3}
        with Context(model):
            assert not model.leave_devices("a context is in use")
        assert model.leave_devices("it is full")
        with Context(model) as context:
            assert context.placement.layers == {"CPU": 3}
            assert context.placement.refusal == "it is full"
            context.evaluate(model.tokenize("Hello"))
        assert not model.leave_devices("it is there already")
    with Model(tiny, Offload("all")) as model:
        assert not model.leave_devices("all was asked for")
