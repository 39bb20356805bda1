"""Numbers of parts."""


class Numbers:
    """A set of numbers from 0 on: a bit for each, as there may be millions."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Take note of a number, and return whether it is new."""
        place, bit = number >> 3, 1 << (number & 7)
        self._bits.extend(bytes(max(place + 1 - len(self._bits), 0)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new
