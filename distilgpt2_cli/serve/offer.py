"""The model that requests are for, and the limits of what one may ask for."""

from typing import Protocol

from ..engine.llama.model import Model

MAX_TEXTS = 128
"""The most completions, or inputs for embeddings, of one request."""

NO_LIMIT = 2**31 - 1
"""As many tokens as a completion can have."""


class Offer(Protocol):
    """What the fields of a request are checked against."""

    @property
    def model(self) -> Model:
        """The model that answers."""

    @property
    def window(self) -> int:
        """The tokens that a text may have."""

    @property
    def max_tokens(self) -> int:
        """The most tokens of one completion, or `NO_LIMIT`."""

    @property
    def strict(self) -> bool:
        """Whether fields that are not known are refused, and not ignored."""

    @property
    def score_together(self) -> bool:
        """Whether the prompts of a request are scored together unless it says."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Those of the model's adapters for requests that name none."""

    def check_model(self, name: object) -> None:
        """Check that a request names the model that answers.

        Raises:
            ApiError: it names another one.
        """
