"""Untrusted text made harmless for a terminal."""

# C0 and C1 controls but newline and tab, and the bidirectional embeddings, overrides and isolates
# (Unicode Standard Annex 9), which can make a line look different from what it is.
_HIDDEN = (
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_VISIBLE = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _HIDDEN}
# Bytes of a path that are not UTF-8, as Python keeps them (PEP 383): some would be C1 controls.
_VISIBLE |= {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}
_LINE_ENDS = {ord("\n"): r"\n", ord("\r"): r"\r", 0x2028: r"\u2028", 0x2029: r"\u2029"}


def visible(text: str) -> str:
    """Return the text with each control character written as its escape, such as ``\\x1b``."""
    return text.translate(_VISIBLE)


def one_line(text: str) -> str:
    """Return the text with each line end written as its escape."""
    return text.translate(_LINE_ENDS)
