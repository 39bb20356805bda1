"""``distil map features``: the hidden states of the text of each row."""

from ...engine.llama.placement import CPU_ONLY
from ...terminal import Terminal
from ..features.options import OverflowOption, StatesOptions
from ..shared.model_options import AdaptedFileOptions
from ..shared.options import Parallel, Quiet, check_at_least_one
from .options import RowOptions, RunOptions
from .running import check_packages, map_run

EXAMPLES = """\b
Examples:
  distil map features items.csv --column title --id sku --output vectors --format parquet
  distil map features texts.txt --output vectors --layer 3 --parallel 16
  distil map features texts.txt --output vectors --pool last --overflow split --format jsonl
"""


def features(
    *,
    rows: RowOptions,
    model: AdaptedFileOptions,
    states: StatesOptions = StatesOptions(pool="mean"),  # noqa: B008 - a value
    overflow: OverflowOption = "error",
    parallel: Parallel = 1,
    run: RunOptions,
    quiet: Quiet = False,
) -> None:
    """Compute the hidden states of the text of each row.

    They are those of `distil features`, a row of 32-bit floats for each text; with --pool none, a
    row for each of its tokens. The model is computed on the CPU.
    """
    check_packages()
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("parallel", parallel)
    from ..tasks.features import FeaturesTask
    from ..tasks.rows import FeaturesRows

    with map_run(terminal, rows, run) as started:
        task = FeaturesRows(
            FeaturesTask(
                model.locate(terminal),
                states.pool,
                overflow,
                parallel,
                run.thread_count,
                CPU_ONLY,
                states.layer,
            )
        )
        options = {
            "pool": states.pool,
            "layer": states.layer,
            "overflow": overflow,
            "parallel": parallel,
        }
        started.begin("features", task, options)
        started.compute(task)
