"""What is known of a model file, downloaded or not."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from ...engine.llama.gguf import Array, Scalar
from ...engine.llama.inspection import Inspection, inspect
from ...errors import ModelUnavailableError
from ...models import ModelFile, ModelReference, find
from ...models.catalog import REPOSITORY
from ...models.model_card import DISTILGPT2, ModelCard, card_of
from ..shared.record import file_record, versions_record


@dataclass(frozen=True)
class ModelFacts:
    """All that is known of a model file.

    Attributes:
        model: its record in JSON.
        quantization: its name; None if it is not known.
        size: in bytes; None if it is not known before the file is downloaded.
        card: the summary of the model card; None for a model that distil doesn't know.
        inspection: what the file contains; None if it is not downloaded.
        download_command: the command that downloads it; None if it is downloaded.
    """

    model: dict[str, str | None]
    quantization: str | None
    size: int | None
    card: ModelCard | None
    inspection: Inspection | None
    download_command: str | None = None

    @property
    def license(self) -> tuple[str, str] | tuple[None, None]:
        """The licence, and the source of this fact."""
        stated = self.inspection and self.inspection.metadata.get("general.license")
        if isinstance(stated, str) and stated:
            return stated, "metadata"
        return (self.card.license, "model card") if self.card else (None, None)

    def record(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        stated, source = self.license
        return {
            "model": self.model,
            "downloaded": self.inspection is not None,
            "download_command": self.download_command,
            "size": self.size,
            "quantization": self.quantization,
            **_inspection_record(self.inspection),
            "license": stated,
            "license_source": source,
            "model_card": self.card and _card_record(self.card),
            "versions": versions_record(),
        }


def look_up(named: ModelFile | ModelReference) -> ModelFacts:
    """Return what is known of a file, which need not be downloaded if it is one of DistilGPT2.

    Raises:
        ModelUnavailableError: the file is not downloaded, and nothing is known of it.
        ModelDamagedError: the file is damaged.
    """
    if isinstance(named, ModelFile):
        return _present(named)
    file = find(named)
    return _present(file) if file else _absent(named)


def _present(file: ModelFile) -> ModelFacts:
    inspection = inspect(file.path)
    model = file_record(file)
    card = card_of(file, model["sha256"])
    return ModelFacts(model, inspection.quantization, file.size, card, inspection)


def _absent(reference: ModelReference) -> ModelFacts:
    if reference.repository != REPOSITORY:
        raise ModelUnavailableError(
            f"{reference.quantization} of {reference.repository} is not downloaded.",
            f"Run `{reference.download_command}`.",
        )
    known = reference.pinned
    model = {
        "name": reference.file_name,
        "path": None,
        "repository": reference.repository,
        "revision": reference.wanted_revision,
        "sha256": known.sha256 if known else None,
    }
    return ModelFacts(
        model,
        reference.quantization,
        known.size if known else None,
        DISTILGPT2,
        inspection=None,
        download_command=reference.download_command,
    )


_FACTS = (
    "architecture",
    "parameters",
    "context_window",
    "layers",
    "width",
    "heads",
    "vocabulary_size",
    "tokenizer",
    "warnings",
)


def _inspection_record(inspection: Inspection | None) -> dict[str, Any]:
    if inspection is None:
        return dict.fromkeys((*_FACTS, "bits_per_weight", "tensor_types", "tensors", "metadata"))
    return {
        **{name: getattr(inspection, name) for name in _FACTS},
        "bits_per_weight": round(inspection.total.bits_per_weight, 4),
        "tensor_types": [
            asdict(kind) | {"bits_per_weight": round(kind.bits_per_weight, 4)}
            for kind in inspection.tensor_types
        ],
        "tensors": [asdict(tensor) for tensor in inspection.tensors],
        "metadata": {key: _json_value(value) for key, value in inspection.metadata.items()},
    }


def _json_value(value: Scalar | Array) -> Any:
    """Return a value for JSON, which has no infinity and no NaN: those as text."""
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    values = None if value.values is None else [_json_value(each) for each in value.values]
    return {"type": value.type, "length": value.length, "values": values}


def _card_record(card: ModelCard) -> dict[str, Any]:
    return {
        "title": card.title,
        "source": card.source,
        "license": card.license,
        "sections": {key: section.text for key, section in card.sections.items()},
        "citation": card.citation,
    }
