"""Where layers are wanted, and what llama.cpp's log says of where they went."""

from pathlib import Path

import pytest

from distilgpt2_cli.engine import Context, Model, NoDeviceError, Offload, Placement, list_devices
from distilgpt2_cli.engine.llama.devices import backends
from distilgpt2_cli.engine.llama.placement import CPU_ONLY
from distilgpt2_cli.errors import DeviceConflictError, ParameterError

LOG = [
    "load_tensors: layer   0 assigned to device CPU, is_swa = 0",
    "load_tensors: layer   1 assigned to device CUDA1, is_swa = 0",
    "load_tensors: layer   2 assigned to device CUDA10, is_swa = 0",
    "load_tensors:   CPU_Mapped model buffer size =     5.32 MiB",
    "load_tensors:        CUDA1 model buffer size =     2.00 MiB",
    "load_tensors:       CUDA10 model buffer size =     1.00 MiB",
]
CONTEXT_LOG = [
    "llama_context: CUDA_Host  output buffer size =     0.19 MiB",
    "llama_kv_cache:      CUDA1 KV buffer size =     0.50 MiB",
    "sched_reserve:      CUDA1 compute buffer size =    49.39 MiB",
    "sched_reserve: CUDA_Host compute buffer size =     1.66 MiB",
]


def test_what_the_option_means() -> None:
    assert Offload.parse("auto") == Offload()
    assert Offload.parse("none") == Offload.parse("0") == CPU_ONLY
    assert Offload.parse("3", ["A"]) == Offload(3, ("A",))
    assert not Offload.parse("auto").asks_for_device
    assert Offload.parse("auto", ["A"]).asks_for_device
    for malformed in ("", "-1", "1.5", "ALL", "99999999999"):
        with pytest.raises(ParameterError, match=r"Use auto, all, none, or a number") as caught:
            Offload.parse(malformed)
        assert (caught.value.parameter, caught.value.value) == ("layers", malformed)
    with pytest.raises(DeviceConflictError, match="none layers leave nothing for A"):
        Offload.parse("none", ["A"])


def test_the_log_is_read() -> None:
    placement = Placement.read(LOG).with_buffers_of(Placement.read(CONTEXT_LOG))
    assert placement.layers == {"CPU": 1, "CUDA1": 1, "CUDA10": 1}
    assert placement.device_bytes == {"CUDA1": round(51.89 * 2**20), "CUDA10": 2**20}
    assert str(placement) == "1 of 3 layers on CUDA1, 54.4 MB, 1 of 3 layers on CUDA10, 1.0 MB"
    assert placement.short == "1/3 CUDA1 1/3 CUDA10"


def test_on_a_build_for_the_cpu(tiny: Path) -> None:
    if list_devices():
        pytest.skip("this build sees a device")
    assert "CPU" in backends()
    with Model(tiny) as model, Context(model) as context:
        assert context.placement.layers == {"CPU": 3}
        assert context.placement.device_bytes == {}
        assert (str(context.placement), context.placement.short) == ("on the CPU", "CPU")
    for offload in (Offload("all"), Offload(1), Offload("auto", ["CUDA0"])):
        with pytest.raises(NoDeviceError, match="and sees no GPU") as caught:
            Model(tiny, offload)
        assert caught.value.device == (offload.devices[0] if offload.devices else None)
        assert not caught.value.available
