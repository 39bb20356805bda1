"""``distil map generate``: completions of the text of each row."""

from dataclasses import asdict, replace

from ...engine.llama.placement import CPU_ONLY
from ...engine.options import choose_seed
from ...terminal import Terminal
from ..generate.constraint import ConstraintOptions
from ..shared.model_options import AdaptedFileOptions, FlashAttention
from ..shared.options import Quiet, check_at_least_one
from ..shared.sampling_options import Echo, SamplingOptions, generation_options
from ..shared.sources import check_read_once
from .options import RowOptions, RunOptions
from .running import check_packages, map_run

EXAMPLES = """\b
Examples:
  distil map generate prompts.txt --output texts
  distil map generate prompts.txt --output texts --resume
  distil map generate stories.jsonl --column prompt --id key --seed 1 --output texts
  distil map generate s3://bucket/prompts/ --output s3://bucket/texts --cluster auto
  distil map generate prompts.txt --output texts --format parquet --parallel 16 --metrics 9090
"""


def generate(
    *,
    rows: RowOptions,
    model: AdaptedFileOptions,
    sampling: SamplingOptions,
    constraint: ConstraintOptions,
    echo: Echo = False,
    flash_attention: FlashAttention = False,
    run: RunOptions,
    quiet: Quiet = False,
) -> None:
    """Continue the text of each row.

    As lines of text, the results are those of `distil generate --lines`, to the byte, and so are
    the seeds. With --id, the seed of a row follows from --seed and its identifier instead, so that
    its text is the same wherever it stands; with --parallel above 1, it can also depend on the rows
    around it. The model is computed on the CPU.
    """
    check_packages()
    terminal = Terminal.system(quiet=quiet)
    check_read_once([constraint.grammar, constraint.json_schema])
    grammar = constraint.read(terminal, literal=sampling.no_escape)
    chosen = generation_options(sampling, grammar=grammar)
    check_at_least_one("num-sequences", sampling.num_sequences)
    check_at_least_one("parallel", sampling.parallel)
    first_seed = choose_seed(sampling.seed)
    from ..tasks.generate import GenerateTask
    from ..tasks.rows import GenerateRows

    with map_run(terminal, rows, run) as started:
        task = GenerateTask(
            model.locate(terminal),
            chosen,
            first_seed,
            sampling.num_sequences,
            sampling.parallel,
            run.thread_count,
            CPU_ONLY,
            flash_attention=flash_attention,
            echo=echo,
        )
        options = asdict(chosen) | {
            "num_sequences": sampling.num_sequences,
            "parallel": sampling.parallel,
            "echo": echo,
            "flash_attention": flash_attention,
        }
        if flash_attention:
            options["threads"] = run.thread_count
        drawn = sampling.seed is None
        seed = started.begin("generate", GenerateRows(task), options, first_seed, drawn=drawn)
        started.compute(GenerateRows(replace(task, first_seed=seed)))
