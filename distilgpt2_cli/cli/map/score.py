"""``distil map score``: how likely the text of each row is for the model."""

from ...engine.llama.placement import CPU_ONLY
from ...terminal import Terminal
from ..score.options import Prefix, scored_prefix
from ..shared.model_options import AdaptedFileOptions
from ..shared.options import Parallel, Quiet, WindowOptions, check_at_least_one
from .options import RowOptions, RunOptions
from .running import check_packages, map_run

EXAMPLES = """\b
Examples:
  distil map score corpus.txt --output scores
  distil map score corpus/ --output scores --parallel 16 --resume
  distil map score reviews.csv --column review --id number --output scores --format parquet
  distil map score s3://bucket/corpus/ --output s3://bucket/scores --cluster auto
"""


def score(
    *,
    rows: RowOptions,
    model: AdaptedFileOptions,
    prefix: Prefix = "",
    windows: WindowOptions,
    parallel: Parallel = 1,
    run: RunOptions,
    quiet: Quiet = False,
) -> None:
    """Score the text of each row.

    As lines of text, the results are those of `distil score --lines`, to the byte, and as CSV those
    of `distil score --lines --csv`. The model is computed on the CPU.
    """
    check_packages()
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("parallel", parallel)
    prefix = scored_prefix(terminal, prefix)
    from ..tasks.rows import ScoreRows
    from ..tasks.score import ScoreTask

    with map_run(terminal, rows, run) as started:
        task = ScoreRows(
            ScoreTask(
                model.locate(terminal),
                prefix,
                windows.window,
                windows.stride,
                parallel,
                run.thread_count,
                CPU_ONLY,
            )
        )
        options = {
            "prefix": prefix,
            "window": windows.window,
            "stride": windows.stride,
            "parallel": parallel,
        }
        started.begin("score", task, options)
        started.compute(task)
