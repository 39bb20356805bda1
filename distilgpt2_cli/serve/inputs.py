"""The parameters of a request for embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

from .adapters import adapter_scales
from .errors import invalid
from .fields import Fields, texts_or_tokens
from .offer import MAX_TEXTS, Offer
from .parameters import check_model, tokenized


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """A checked request for embeddings.

    Attributes:
        inputs: the tokens of each text.
        base64: whether vectors are sent as base64 of 32-bit floats.
        ignored: the names of fields that are not known here.
        scales: of the model's adapters.
    """

    inputs: Sequence[Sequence[int]]
    base64: bool
    ignored: Sequence[str]
    scales: tuple[float, ...] = ()


def parse_embedding(body: bytes, offer: Offer) -> EmbeddingCall:
    """Parse a request body.

    Raises:
        ApiError: it is not a JSON object, or a field is wrong, unknown or not supported.
    """
    return embedding_call(Fields.of_body(body), offer)


def embedding_call(fields: Fields, offer: Offer) -> EmbeddingCall:
    """Return what the fields of a body ask for.

    Raises:
        ApiError: a field is wrong, unknown or not supported.
    """
    check_model(fields, offer)
    model, window = offer.model, offer.window
    values = texts_or_tokens("input", fields.take("input"), model.vocabulary_size, MAX_TEXTS)
    encoding = fields.take("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise invalid("encoding_format", "encoding_format must be float or base64.")
    fields.refuse("dimensions", (model.width,))
    fields.take("user")
    scales = adapter_scales(fields, offer)
    ignored = fields.end(strict=offer.strict)
    inputs = [tokenized("input", value, model, window) for value in values]
    return EmbeddingCall(inputs, encoding == "base64", ignored, scales)
