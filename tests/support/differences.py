"""How far apart two computations of the same rows of numbers are."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]


def relative(rows: Rows, reference: Rows) -> npt.NDArray[np.float64]:
    """Return for each row the largest difference by the largest amount in the reference's."""
    rows, reference = np.asarray(rows, np.float64), np.asarray(reference, np.float64)
    return np.asarray(np.abs(rows - reference).max(-1) / np.abs(reference).max(-1))


def root_mean_square(rows: Rows, reference: Rows) -> float:
    """Return the root mean square of all differences by that of the reference."""
    rows, reference = np.asarray(rows, np.float64), np.asarray(reference, np.float64)
    return float(np.sqrt(np.mean((rows - reference) ** 2) / np.mean(reference**2)))
