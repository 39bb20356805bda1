"""Where a model comes from, as GGUF's metadata names it.

The keys are those of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; what it has no key
for is below ``distil``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..models.reference import is_repository
from .checkpoint import CARD
from .untrusted import is_file, is_unicode, read_text

_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\n---\r?(\n|\Z)", re.DOTALL)
_MOST_BYTES = 2**20
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Origin:
    """Where the files of a model come from.

    Attributes:
        name: of the model.
        repository: on the Hub; None for a folder.
        commit: of the repository.
    """

    name: str
    repository: str | None = None
    commit: str | None = None


def metadata_of(folder: Path, origin: Origin, base: str | None = None) -> dict[str, object]:
    """Return the metadata of a model or an adapter.

    Args:
        folder: whose ``README.md`` is read for the licence and what the model was made of.
        origin: where the folder comes from.
        base: the model that it was made of, where the files themselves name it.

    Raises:
        ModelUnavailableError: the README can't be read.
        ModelDamagedError: it is too large, or no text.
    """
    card = _front_matter(folder / CARD)
    found: dict[str, object] = {"general.name": origin.name}
    for key, name in (("license", "general.license"), ("license_name", "general.license.name")):
        if texts := _texts(card.get(key)):
            found[name] = texts[0]
    if origin.repository:
        address = f"{_HUB}/{origin.repository}"
        found["general.source.repo_url"] = address
        found["general.source.url"] = f"{address}/tree/{origin.commit}"
    bases = [base] if base else _texts(card.get("base_model"))
    if bases:
        found["general.base_model.count"] = len(bases)
        for number, each in enumerate(bases):
            found |= _base(f"general.base_model.{number}", each)
    # PEFT has a tag with the path of the base model.
    tags = [tag for tag in _texts(card.get("tags")) if not tag.startswith("base_model:")]
    for texts, name in (
        (tags, "general.tags"),
        (_texts(card.get("language")), "general.languages"),
    ):
        if texts:
            found[name] = texts
    datasets = _texts(card.get("datasets"))
    if datasets:
        found["general.dataset.count"] = len(datasets)
        for number, each in enumerate(datasets):
            found[f"general.dataset.{number}.name"] = each
    found["distil.version"] = __version__
    found["distil.source"] = origin.repository or origin.name
    if origin.commit:
        found["distil.source.commit"] = origin.commit
    return found


def _base(key: str, name: str) -> dict[str, object]:
    """Return what is said of a base model; a folder of somebody's machine has its name only."""
    if not is_repository(name):
        return {f"{key}.name": Path(name).name or name}
    organization, model = name.split("/")
    return {
        f"{key}.name": model,
        f"{key}.organization": organization,
        f"{key}.repo_url": f"{_HUB}/{name}",
    }


def _front_matter(path: Path) -> dict[str, Any]:
    """Return the YAML that a model card begins with, or nothing if it has none that is valid."""
    import yaml

    found = _FRONT_MATTER.match(read_text(path, _MOST_BYTES)) if is_file(path) else None
    try:
        values = yaml.safe_load(found[1]) if found else None
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _texts(value: object) -> Sequence[str]:
    """Return a text, or the texts of a list."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each and is_unicode(each)]
