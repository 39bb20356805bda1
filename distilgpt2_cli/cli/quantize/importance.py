"""The importance matrix of a user's text, and what is recorded of that text."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models import ModelFile, sha256
from ...terminal import Terminal
from ...terminal.progress import MEASURE
from ..shared.offload import notice_loading
from ..shared.sources import STDIN, can_be_read_again, decoded, read_source, source_name
from ..shared.texts import without_line_end

if TYPE_CHECKING:
    from ...engine.llama.quantizing import ImportanceMatrix

REMEDY = "Use a text file."


@dataclass(frozen=True)
class Importance:
    """An importance matrix, and the text that it was measured on.

    Attributes:
        matrix: what llama.cpp gets.
        sha256: of the bytes of the text, in hexadecimal digits.
    """

    matrix: "ImportanceMatrix"
    sha256: str

    def record(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "name": self.matrix.text,
            "sha256": self.sha256,
            "chunks": self.matrix.chunks,
            "entries": len(self.matrix.weights),
        }

    def is_of(self, text: str) -> bool:
        """Return whether it was measured on a text file with the same bytes."""
        return sha256(Path(text)) == self.sha256


def measure(terminal: Terminal, source: ModelFile, text: str, threads: int | None) -> Importance:
    """Measure the importance matrix of a model on a text.

    Args:
        terminal: for progress, and whose standard input the text may be.
        source: the model.
        text: as `own_source` returns it.
        threads: None for the engine's choice.

    Raises:
        ModelDamagedError: llama.cpp can't load the model.
        DistilError: the text can't be read, or is too short; or the model can't be measured.
    """
    from ...engine.evaluate.importance import measure_importance
    from ...engine.evaluate.streaming import stream_tokens
    from ...engine.llama.model import Model
    from ...engine.llama.placement import CPU_ONLY

    name = STDIN if text == STDIN else Path(text).name
    size = Path(text).stat().st_size if can_be_read_again(text) else None
    digest = hashlib.sha256()
    terminal.begin_waiting(f"Loading {source.name}…")
    with Model(source.path, CPU_ONLY) as model:  # a device would give other sums
        notice_loading(terminal, model.placement)
        data = _hashed(read_source(terminal, text, REMEDY), digest)
        tokens = stream_tokens(model, without_line_end(decoded(data, source_name(text))))
        with terminal.progress(f"the importance matrix with {name}", size, MEASURE) as advance:
            matrix = measure_importance(model, tokens, name, threads=threads, advance=advance)
    return Importance(matrix, digest.hexdigest())


def _hashed(parts: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for part in parts:
        digest.update(part)
        yield part
