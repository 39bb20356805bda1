"""Bytes of tokens to text that can be shown: whole characters, up to a stop sequence."""

import codecs
from collections.abc import Sequence


class TextStream:
    """Turns the bytes of successive tokens into text, holding back only what may yet change.

    A character whose bytes have not all come is held back, and so is text that may be the
    beginning of a stop sequence. What is not UTF-8 becomes U+FFFD.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        """Look for these stop sequences, none of them empty."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def feed(self, piece: bytes) -> str:
        """Take the bytes of a token and return the text that can be shown now."""
        return self._release(self._decoder.decode(piece), final=False)

    def finish(self) -> str:
        """Return the text held back, when no more bytes will come."""
        return self._release(self._decoder.decode(b"", final=True), final=True)

    def _release(self, text: str, *, final: bool) -> str:
        if not self._stops:
            return text
        if self.stopped:
            return ""
        text = self._held + text
        end = self._first_doubt(text, final=final)
        self._held = text[end:]
        return text[:end]

    def _first_doubt(self, text: str, *, final: bool) -> int:
        """Return where a stop sequence begins, or what may become one if more text comes.

        Of two that overlap, the one that begins first counts, however the text was split.
        """
        for start in range(len(text)):
            if text.startswith(self._stops, start):
                self.stopped = True
                return start
            rest = text[start:]
            if not final and any(stop.startswith(rest) for stop in self._stops):
                return start
        return len(text)
