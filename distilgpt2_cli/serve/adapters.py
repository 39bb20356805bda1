"""The scales of the model's adapters: the field ``lora``, as llama.cpp's server has it.

It is documented in tools/server/README.md of llama.cpp: a list of objects with ``id`` and
``scale``. An adapter that is not in the list has the scale 0; an empty list names none.
"""

from typing import Any

from .errors import invalid
from .fields import Fields
from .offer import Offer

_LARGEST = 3.4028234e38  # that a 32-bit float holds


def adapter_scales(fields: Fields, offer: Offer) -> tuple[float, ...]:
    """Return the scales of a request, those of the server where it names none.

    Raises:
        ApiError: its field is malformed, or names an adapter that does not exist.
    """
    value = fields.take("lora")
    return offer.scales if value in (None, []) else scales_of(value, len(offer.scales))


def scales_of(value: Any, count: int) -> tuple[float, ...]:
    """Return the scales that a list of objects gives to so many adapters.

    Raises:
        ApiError: it is something else, or names an adapter that does not exist.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise invalid("lora", "lora must be a list of objects with id and scale.")
    if value and not count:
        raise invalid("lora", "The model has no adapters. Leave out lora.")
    scales = [0.0] * count
    for each in value:
        if None in (each.get("id"), each.get("scale")):
            raise invalid("lora", "Each object in lora must have an id and a scale.")
        fields = Fields(each, "lora")
        number = fields.integer("id", 0, 0, count - 1)
        scales[number] = fields.number("scale", 0, -_LARGEST, _LARGEST)
        fields.end()
    return tuple(scales)
