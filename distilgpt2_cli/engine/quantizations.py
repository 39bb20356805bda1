"""The quantizations that a model can be given, by their names in llama.cpp."""

from ..errors import ParameterError

FLOATS = ("F32", "F16", "BF16")
"""Those that keep each weight as a number of its own: what other ones can be made of."""

QUANTIZATIONS = (
    "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M", "Q5_0", "Q5_1",
    "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0", *FLOATS,
)  # fmt: skip
"""All of them. Each can be made without an importance matrix, unlike others of llama.cpp."""


def known_quantization(name: str) -> str:
    """Return the name of a quantization, which is case-insensitive, as llama.cpp writes it.

    Raises:
        ParameterError: there is no such quantization.
    """
    if name.upper() not in QUANTIZATIONS:
        raise ParameterError("quant", name, f"one of {', '.join(QUANTIZATIONS)}")
    return name.upper()
