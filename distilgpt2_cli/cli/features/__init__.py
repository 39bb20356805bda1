"""``distil features``: hidden states of texts, as features for other programs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ...engine.options import Pool
from ...errors import UsageError
from ...files import own_path
from ...terminal import Terminal
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import Json, Parallel, Quiet, TextsOptions, check_parallel
from ..shared.texts import InputLines, in_batches, read_text

EXAMPLES = """\b
Examples:
  distil features --pool mean "Replace me by any text you'd like."
  distil features --output states.npy "Replace me by any text you'd like."
  distil features --lines --pool mean --parallel 16 --output matrix.npy < texts.txt
  distil features --lines --json < texts.txt | jq -c .features
"""


Overflow = Literal["error", "split"]


def features(
    *,
    text: TextsOptions,
    model: ModelOptions,
    pool: Annotated[
        Pool,
        typer.Option(help="States of all tokens, their mean, or the last token's."),
    ] = "none",
    overflow: Annotated[
        Overflow,
        typer.Option(help="Refuse or split a text longer than the context window."),
    ] = "error",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=own_path,
            help="Write to this .npy, .npz or .jsonl file.",
            show_default="standard output",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output file.")] = False,
    parallel: Parallel = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the hidden states of a text after the final layer norm.

    They are 32-bit floats: a row for each token, or one row with --pool. Without --output, rows go
    to standard output as numbers separated by spaces; with --lines and no --pool, an empty line
    ends the rows of each text. The output file appears only when it is complete.
    """
    terminal = Terminal.system(quiet=quiet)
    check_parallel(parallel, text.lines)
    if json and output:
        raise UsageError(
            "--json and --output can't be combined.", "Use --output FILE.jsonl for JSON."
        )
    from .files import Features, Origin, open_output

    matrix = text.lines and pool != "none"
    offload = model.offload
    input_lines = InputLines(terminal, text, "features") if text.lines else None
    texts = input_lines or [(1, read_text(terminal, text))]
    with open_output(
        terminal, output, json=json, lines=text.lines, matrix=matrix, force=force
    ) as sink:
        file = model.locate(terminal)
        from ...engine import FeatureExtractor, open_evaluator

        with open_evaluator(
            file.path,
            threads=model.thread_count,
            sequences=parallel,
            hidden_states=True,
            offload=offload,
        ) as evaluator:
            notice_loading(terminal, evaluator.placement)
            origin = Origin(file, evaluator.placement)
            extractor = FeatureExtractor(evaluator, pool, split=overflow == "split")
            results = in_batches(texts, extractor.tokens, extractor.extract, parallel)
            counting = terminal.counting if output else terminal.counting_results
            with counting("texts", None) as advance:
                for number, of_text, tokens, values in results:
                    sink.write(Features(number, of_text, len(tokens), values), origin)
                    advance(1)
    if input_lines:
        input_lines.check()
