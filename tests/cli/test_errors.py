"""Errors of the engine in the words of the command line, and in those of the library."""

import copy
import pickle
import re
from pathlib import Path

import pytest

import distilgpt2_cli
from distilgpt2_cli.cli.shared.errors import sentences
from distilgpt2_cli.engine import GenerationOptions, check_seed, disjoint, sliding
from distilgpt2_cli.engine.llama.placement import Offload
from distilgpt2_cli.errors import (
    DeviceConflictError,
    DeviceFailureError,
    DeviceMemoryError,
    DistilError,
    NoDeviceError,
    ParameterError,
    TextTooLongError,
)

PACKAGE = Path(distilgpt2_cli.__file__).parent
SITUATION = "llama.cpp sees CUDA0 (A card)"

ERRORS = [
    (
        ParameterError("top_p", 2.0, "a number from 0 to 1"),
        "top_p can't be 2.0. Use a number from 0 to 1.",
        "--top-p can't be 2.0. Use a number from 0 to 1.",
    ),
    (
        ParameterError("layers", "some", "all or none"),
        "layers can't be 'some'. Use all or none.",
        "--gpu-layers can't be some. Use all or none.",
    ),
    (
        TextTooLongError(9, 8),
        "The text has 9 tokens, and the context window 8. Shorten it, or have it split.",
        "The text has 9 tokens, and the context window 8. Shorten it, or use --overflow overlap.",
    ),
    (
        DeviceConflictError("none", "CUDA0"),
        "none layers leave nothing for CUDA0. Leave out one of them.",
        "--gpu-layers none leaves nothing for --device CUDA0. Leave out one of them.",
    ),
    (
        NoDeviceError("CUDA9", "auto", SITUATION, ["CUDA0"]),
        f"The device CUDA9 can't be used: {SITUATION}."
        " Use CUDA0, or leave the choice to llama.cpp.",
        f"--device CUDA9 can't be obeyed: {SITUATION}."
        " Use one of these devices, or --gpu-layers auto.",
    ),
    (
        DeviceMemoryError("CUDA0 is full.", 3),
        "CUDA0 is full. Use 3 layers there, the most that fits.",
        "CUDA0 is full. Use --gpu-layers 3, the most that fits.",
    ),
    (
        DeviceMemoryError("CUDA0 is full.", 0),
        "CUDA0 is full. Stay on the CPU: no layer fits.",
        "CUDA0 is full. Use --gpu-layers none: no layer fits.",
    ),
    (
        DeviceFailureError("It gave up."),
        "It gave up. Use fewer layers there, or none.",
        "It gave up. Use fewer --gpu-layers, or none.",
    ),
]


@pytest.mark.parametrize(("error", "library", "command_line"), ERRORS)
def test_sentences(error: DistilError, library: str, command_line: str) -> None:
    assert str(error) == library
    assert " ".join(sentences(error)) == command_line
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(copied), str(copied)) == (type(error), str(error))


def test_errors_of_the_engine_itself() -> None:
    found = []
    for raises in (
        lambda: GenerationOptions(repetition_penalty=0),
        lambda: GenerationOptions(stop=("",)),
        lambda: check_seed(-1),
        lambda: list(sliding(range(9), 4, 5)),
        lambda: list(disjoint(range(9), 3, None)),
        lambda: Offload.parse("some"),
    ):
        with pytest.raises(ParameterError) as caught:
            raises()
        found.append(" ".join(sentences(caught.value)))
    assert found == [
        "--repetition-penalty can't be 0. Use a number from 0.01 to 100.",
        "--stop is empty, which stands before every text. Give it a text.",
        "--seed can't be -1. Use a number from 0 to 4294967294.",
        "--stride can't be 5. Use a number from 1 to 4.",
        "--window can't be 3 with this method. Use a number from 4 on.",
        "--gpu-layers can't be some. Use auto, all, none, or a number of layers.",
    ]


@pytest.mark.parametrize("folder", ["engine", "probing"])
def test_the_library_knows_no_options_of_the_command_line(folder: str) -> None:
    for path in [PACKAGE / "errors.py", *(PACKAGE / folder).rglob("*.py")]:
        lines = path.read_text().splitlines()
        found = [line for line in lines if re.search(r"--[a-z]", line) and "pip " not in line]
        assert not found, path
