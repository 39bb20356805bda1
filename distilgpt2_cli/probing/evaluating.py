"""An evaluator for the texts of a probe, which are mostly short."""

from ..engine import Evaluator, Model

_SHORT = 128  # tokens


def evaluator_for(model: Model, longest: int, threads: int | None) -> Evaluator:
    """Return an evaluator for texts of up to ``longest`` tokens, at most the model's window.

    Args:
        model: the model that evaluates.
        longest: the number of tokens of the longest text, with the text before it.
        threads: the number of threads; None for all cores, or for one thread if texts are short.

    Raises:
        DistilError: llama.cpp can't make the context.
    """
    # Threads wait for each other by spinning. A second one helps little with a short text, and on
    # busy cores it took ten times as long and more.
    if threads is None and longest <= _SHORT:
        threads = 1
    return Evaluator(model, min(model.window, longest), threads)
