"""Layers and the logit lens with the model on a device, whose tensors are copied from there."""

from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import Device, Model, Offload, look_inside
from distilgpt2_cli.engine.llama.placement import CPU_ONLY
from tests.support.differences import relative

TOLERANCE = 0.02  # devices round in other places


def test_a_device_sees_what_the_processor_sees(tiny: Path, device: Device) -> None:
    with Model(tiny, CPU_ONLY) as model:
        tokens = model.tokenize("The cat sat on the mat because it was tired. " * 4)
        expected = look_inside(model, tokens, 1)
    for layers in (1, "all"):
        with Model(tiny, Offload(layers, (device.name,))) as model:
            assert model.placement.is_on_device
            found = look_inside(model, tokens, 1)
        assert relative(found.hidden_states, expected.hidden_states).max() < TOLERANCE
        assert found.attentions is not None
        assert expected.attentions is not None
        assert np.abs(found.attentions - expected.attentions).max() < TOLERANCE
        largest = np.abs(expected.lens.top_logprobs).max()
        difference = np.abs(found.lens.top_logprobs - expected.lens.top_logprobs).max()
        assert difference < TOLERANCE * largest
