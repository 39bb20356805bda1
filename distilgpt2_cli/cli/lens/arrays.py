"""All that was computed, in NumPy's archive format."""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...files import new_file
from .look import Look


def write_arrays(look: Look, path: Path, *, force: bool) -> None:
    """Write the arrays of `named_arrays` to a file that `numpy.load` reads.

    The same arrays give the same bytes.

    Raises:
        DistilError: it can't be written.
    """
    with new_file(path, force=force) as part, zipfile.ZipFile(part, "w") as archive:
        for name, array in named_arrays(look).items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # of a fixed date
            with archive.open(entry, "w", force_zip64=True) as file:
                npy.write_array(file, np.asarray(array), allow_pickle=False)


def named_arrays(look: Look) -> Mapping[str, NDArray[Any]]:
    """Return the arrays by their names in the file."""
    inside, lens = look.inside, look.inside.lens
    assert inside.attentions is not None
    pieces = [look.piece(token).decode(errors="replace") for token in inside.tokens]
    return {
        "tokens": np.array(inside.tokens, np.int32),
        "pieces": np.array(pieces),
        "left_out": np.array(look.left_out),
        "hidden_states": inside.hidden_states,
        "attentions": inside.attentions,
        "lens_ids": lens.top_ids.astype(np.int32),
        "lens_logprobs": lens.top_logprobs,
        "rank": lens.ranks,
        "logprob": lens.logprobs,
        "surprisal": -lens.logprobs / math.log(2),
        "entropy": lens.entropies,
    }
