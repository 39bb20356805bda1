"""HTML pages that load nothing: what their texts, styles and scripts have in common."""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape

from ...terminal.sanitize import one_line, visible

_TITLE_CHARACTERS = 60


def readable(text: str) -> str:
    """Return a text for a page: on one line, with control characters shown, and escaped."""
    return escape(visible(one_line(text)))


def title_of(text: str) -> str:
    """Return the beginning of a text for the title of a page, escaped; nothing if it has none."""
    text = " ".join(text.split())
    shown = text if len(text) <= _TITLE_CHARACTERS else text[: _TITLE_CHARACTERS - 1] + "…"
    return readable(shown)


def policy_hash(source: str) -> str:
    """Return what allows a style or a script in a policy (https://www.w3.org/TR/CSP3/)."""
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a page with a part in place of each ``{{name}}``."""
    # All at once, so that no text in a part can name another one.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
