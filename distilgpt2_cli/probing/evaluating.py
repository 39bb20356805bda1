"""An evaluator for the texts of a probe, which are mostly short."""

from ..engine import Evaluator, Model

_SHORT = 128  # tokens


def evaluator_for(model: Model, longest: int, threads: int | None) -> Evaluator:
    """Return one with room for texts of so many tokens, or of the model's window at most.

    Args:
        model: what evaluates.
        longest: the tokens of the longest text with what stands before it.
        threads: by default as many as there are cores for long texts, and one for short ones.

    Raises:
        DistilError: llama.cpp can't make the context.
    """
    # Threads wait for each other by spinning. A short text gains little by a second one, and on
    # cores that others use too, it was found to take ten times as long and more.
    if threads is None and longest <= _SHORT:
        threads = 1
    return Evaluator(model, min(model.window, longest), threads)
