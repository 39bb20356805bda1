"""Untrusted text made harmless for a terminal."""

# C0 and C1 controls but newline and tab, and the bidirectional embeddings, overrides and isolates
# (Unicode Standard Annex 9), which can make a line read otherwise than it is.
_HIDDEN = (
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_VISIBLE = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _HIDDEN}


def visible(text: str) -> str:
    """Return the text with each control character written as its escape, such as ``\\x1b``."""
    return text.translate(_VISIBLE)


def one_line(text: str) -> str:
    """Return the text with its line ends shown as ``\\n`` and ``\\r``."""
    return text.replace("\r", "\\r").replace("\n", "\\n")
