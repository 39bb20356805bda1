"""Every value is checked, and the error names parameter and range."""

import math

import pytest

from distilgpt2_cli.engine import MAX_SEED, GenerationOptions, check_seed, completion_seed
from distilgpt2_cli.engine.options import choose_seed
from distilgpt2_cli.errors import ParameterError


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("max_tokens", 0, "from 1 to"),
        ("max_tokens", -2, "-1 for no limit"),
        ("temperature", -0.1, "0 for greedy"),
        ("temperature", 1e-9, "from 0.001"),
        ("temperature", math.inf, "to 1000"),
        ("temperature", math.nan, "to 1000"),
        ("top_k", -1, "from 0"),
        ("top_k", 2**31, "to 2147483647"),
        ("top_p", 1.1, "from 0 to 1"),
        ("top_p", math.nan, "from 0 to 1"),
        ("min_p", -0.1, "from 0 to 1"),
        ("repetition_penalty", 0.0, "from 0.01 to 100"),
        ("presence_penalty", math.inf, "from -100 to 100"),
        ("frequency_penalty", -math.inf, "from -100 to 100"),
    ],
)
def test_out_of_range(name: str, value: float, bounds: str) -> None:
    with pytest.raises(ParameterError) as caught:
        GenerationOptions(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{name} can't be {value}.")
    assert caught.value.parameter == name
    assert caught.value.value is value
    assert bounds in caught.value.allowed


def test_an_empty_stop_sequence() -> None:
    with pytest.raises(ParameterError, match="stop can't be"):
        GenerationOptions(stop=("a", ""))


def test_seeds() -> None:
    assert check_seed(0) == 0
    assert check_seed(MAX_SEED) == 4294967294
    for seed in (-1, MAX_SEED + 1):
        with pytest.raises(ParameterError, match="seed can't be"):
            check_seed(seed)


def test_seeds_count_on_and_begin_again_after_the_largest() -> None:
    assert [completion_seed(MAX_SEED - 1, i) for i in range(4)] == [MAX_SEED - 1, MAX_SEED, 0, 1]
    assert choose_seed(7) == 7
    assert choose_seed(None) != choose_seed(None)
    with pytest.raises(ParameterError):
        choose_seed(MAX_SEED + 1)
