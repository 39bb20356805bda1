"""``distil bench``: the speed of distil on this machine."""

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..models import ModelFile
from ..terminal import Terminal
from ..units import format_bytes
from .shared.adapters import adapted, lora_arguments, name_with_adapters
from .shared.csv_table import CsvTable
from .shared.model_options import FilesOptions, GpuOptions, parse_threads
from .shared.offload import notice_loading, offload_arguments
from .shared.options import FormatOptions, Quiet, check_at_least_one, check_only_one
from .shared.record import model_record, placement_record, versions_record

if TYPE_CHECKING:
    from ..engine import Offload, Placement

EXAMPLES = """\b
Examples:
  distil bench
  distil bench --model demo --threads 1 --threads 2
  distil bench --quant Q4_K_M --quant Q8_0 --parallel 1 --parallel 16
  distil bench --markdown > speed.md
"""


@dataclass(frozen=True)
class Figure:
    """The median of several measurements, with the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], digits: int) -> "Figure":
        """Summarize values, rounded to ``digits`` decimal places."""
        return cls(*(round(f(values), digits) for f in (statistics.median, min, max)))


@dataclass(frozen=True)
class Result:
    """The measurements of one file with one number of threads and one of sequences.

    Speeds are in tokens per second, of all sequences together. ``ratio`` is the speed of
    generation divided by that of the bare loop in the same turn.
    """

    file: ModelFile
    threads: str
    parallel: int
    placement: "Placement"
    prompt: Figure
    generation: Figure
    bare_generation: Figure
    ratio: Figure
    first_byte_seconds: Figure
    peak_bytes: int


def bench(
    *,
    which: FilesOptions,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            help="Number of threads, or auto; can be repeated.",
            show_default="auto, 1 and all cores",
        ),
    ] = None,
    parallel: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Number of completions to compute at once; can be repeated.",
            show_default="1",
        ),
    ] = None,
    gpu: GpuOptions,
    tokens: Annotated[
        int, typer.Option(metavar="N", help="Tokens to generate per measurement.")
    ] = 128,
    repetitions: Annotated[int, typer.Option(metavar="N", help="Measurements per figure.")] = 5,
    output: FormatOptions,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a report in Markdown.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Measure how fast distil is on this machine.

    Generation alternates with a bare loop over llama.cpp's own functions on the same file; RATIO
    is its speed divided by the loop's. START is the time from the start of a process to its first
    byte of output, MEMORY the peak memory of that process, model file included. Figures are
    medians, with the smallest and the largest in brackets.
    """
    check_only_one({"--json": output.json, "--csv": output.csv, "--markdown": markdown})
    counts = {"tokens": tokens, "repetitions": repetitions, "parallel": min(parallel or [1])}
    for name, value in counts.items():
        check_at_least_one(name, value)
    terminal = Terminal.system(quiet=quiet)
    chosen_threads = threads or _default_threads()
    for thread_count in chosen_threads:
        parse_threads(thread_count)
    offload = gpu.offload
    files = which.locate(terminal)
    results = []
    for file in files:
        for thread_count in chosen_threads:
            for sequences in parallel or [1]:
                about = f"{file.name}, threads {thread_count}, parallel {sequences}"
                terminal.notice(f"Measuring {about} …")
                results.append(
                    _measure(file, thread_count, sequences, offload, tokens, repetitions)
                )
        notice_loading(terminal, results[-1].placement)
    if output.json:
        _print_json(terminal, results)
    elif output.csv:
        _print_csv(terminal, results)
    elif markdown:
        _print_markdown(terminal, results)
    else:
        terminal.write_table(_HEADER, [_row(result) for result in results])
        terminal.write("\n")
        terminal.write_line(_verdict(results))


def _default_threads() -> list[str]:
    from ..engine.llama.cores import usable_cores

    cores = usable_cores()
    return ["auto", "1"] if cores == 1 else ["auto", "1", str(cores)]


def _measure(
    file: ModelFile,
    threads: str,
    parallel: int,
    offload: "Offload",
    tokens: int,
    repetitions: int,
) -> Result:
    from ..children.process_cost import one_token_command, run_process
    from ..engine.benchmark import measure_speeds

    turns, placement = measure_speeds(
        adapted(file),
        tokens=tokens,
        threads=parse_threads(threads),
        parallel=parallel,
        repetitions=repetitions,
        offload=offload,
    )
    arguments = ["--threads", threads, *offload_arguments(offload), *lora_arguments(file)]
    command = one_token_command(file.path, arguments)
    starts = [run_process(command) for _ in range(repetitions)]
    return Result(
        file,
        threads,
        parallel,
        placement,
        prompt=Figure.of([turn.prompt for turn in turns], 1),
        generation=Figure.of([turn.generation for turn in turns], 1),
        bare_generation=Figure.of([turn.bare_generation for turn in turns], 1),
        ratio=Figure.of([turn.generation / turn.bare_generation for turn in turns], 3),
        first_byte_seconds=Figure.of([start.first_byte_seconds for start in starts], 4),
        peak_bytes=max(start.peak_bytes for start in starts),
    )


_HEADER = (
    "MODEL", "DEVICE", "THREADS", "PARALLEL", "PROMPT tok/s", "GENERATION tok/s", "BARE LOOP tok/s",
    "RATIO", "START s", "MEMORY",
)  # fmt: skip


_FIGURES = ("prompt", "generation", "bare_generation", "ratio", "first_byte_seconds")


def _row(result: Result) -> tuple[str, ...]:
    def figure(value: Figure, digits: int) -> str:
        return f"{value.median:.{digits}f} ({value.low:.{digits}f}-{value.high:.{digits}f})"

    return (
        name_with_adapters(result.file),
        result.placement.short,
        result.threads,
        str(result.parallel),
        figure(result.prompt, 0),
        figure(result.generation, 0),
        figure(result.bare_generation, 0),
        f"{result.ratio.median:.2f}",
        figure(result.first_byte_seconds, 2),
        format_bytes(result.peak_bytes),
    )


def _fastest(results: Sequence[Result]) -> Result:
    return max(results, key=lambda result: result.generation.median)


def _verdict(results: Sequence[Result]) -> str:
    best = _fastest(results)
    return (
        f"Fastest on this machine: {best.file.name} with threads {best.threads}, parallel"
        f" {best.parallel}: {best.generation.median:.0f} tokens/s."
    )


def _print_json(terminal: Terminal, results: Sequence[Result]) -> None:
    common = {"versions": versions_record(), "machine": _machine()}
    for result in results:
        record: dict[str, Any] = asdict(result) | {
            "model": model_record(result.file),
            "placement": placement_record(result.placement),
            "warnings": list(result.placement.warnings),
        }
        del record["file"]
        terminal.write_json(record | {"fastest": result is _fastest(results)} | common)


def _print_csv(terminal: Terminal, results: Sequence[Result]) -> None:
    columns = [
        "name", "device", "threads", "parallel",
        *(name + end for name in _FIGURES for end in ("", "_low", "_high")),
        "peak_bytes", "fastest",
    ]  # fmt: skip
    table = CsvTable(terminal, columns)
    for result in results:
        row = vars(result) | {
            "name": result.file.name,
            "device": result.placement.short,
            "fastest": result is _fastest(results),
        }
        for name in _FIGURES:
            figure = row[name]
            row |= {name: figure.median, f"{name}_low": figure.low, f"{name}_high": figure.high}
        table.write([row])


def _print_markdown(terminal: Terminal, results: Sequence[Result]) -> None:
    facts = {**versions_record(), **_machine()}
    rows = [_HEADER, ("---",) * len(_HEADER), *(_row(result) for result in results)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    about = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    terminal.write(f"{table}\n\n{_verdict(results)}\n\n{about}\n")


def _machine() -> dict[str, str | int]:
    from ..engine.llama.bindings import features
    from ..engine.llama.cores import usable_cores

    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "usable_cores": usable_cores(),
        "features": features(),
    }
