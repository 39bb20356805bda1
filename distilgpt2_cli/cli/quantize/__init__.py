"""``distil quantize``: smaller model files, made of one whose weights are floats."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...children.quantizing import quantize as quantize_file
from ...engine.quantizations import FLOATS, QUANTIZATIONS, known_quantization
from ...errors import DistilError, ModelUnavailableError, UsageError
from ...files import check_new_file, new_file, own_path
from ...models import ModelFile, imported, local
from ...models.choice import own_model
from ...models.names import without_quantization
from ...terminal import Terminal
from ...terminal.progress import QUANTIZE
from ..perplexity.measuring import Texts
from ..perplexity.plot import write_plot
from ..shared.model_options import ComputeOptions
from ..shared.options import Json, Quiet, new_file_option, source_option
from ..shared.plot import check_plot
from ..shared.sources import check_read_once, check_readable
from .advice import advice
from .comparison import compare_files, write_comparison
from .importance import REMEDY, Importance, measure
from .record import write_json
from .result import Made

EXAMPLES = """\b
Examples:
  distil quantize mine.F16.gguf --quant Q4_K_M
  distil quantize my-model -q Q4_K_M -q Q6_K
  distil quantize mine.F32.gguf -q Q4_K_M -q Q8_0 --to models/
  distil quantize mine.F16.gguf -q Q3_K_S --imatrix typical.txt
  distil quantize mine.F16.gguf -q Q4_0 -q Q6_K -q Q8_0 --compare book.txt --plot sizes.svg
"""

_ENDING = ".gguf"


def _complete_target(incomplete: str) -> list[str]:
    """Return the quantizations that match, in the case that was typed."""
    names = (name.lower() if incomplete.islower() else name for name in QUANTIZATIONS)
    return [name for name in names if name.startswith(incomplete)]


@dataclass(frozen=True)
class _Targets:
    """What is made, and where."""

    quant: Annotated[
        list[str] | None,
        typer.Option(
            "--quant",
            "-q",
            metavar="NAME",
            help="Quantization (case-insensitive), F16 or F32; can be repeated.",
            show_default=False,
            autocompletion=_complete_target,
        ),
    ] = None
    pure: Annotated[
        bool, typer.Option("--pure", help="Give all matrices the same type, instead of a mix.")
    ] = False
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=own_path,
            help="Write into this folder.",
            show_default="the folder of FILE",
        ),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False

    @property
    def quantizations(self) -> list[str]:
        """Each quantization once, in capitals.

        Raises:
            UsageError: there is none, or a name is unknown.
        """
        if not self.quant:
            raise UsageError(
                "distil quantize needs --quant NAME.", f"Use one of {', '.join(QUANTIZATIONS)}."
            )
        return list(dict.fromkeys(map(known_quantization, self.quant)))

    def paths(self, source: ModelFile) -> dict[str, Path]:
        """Return the new file of each quantization, after checking that it can be written.

        Raises:
            DistilError: it can't, or it exists and may not be replaced.
        """
        folder = source.path.parent if self.to is None else self.to
        if folder.exists() and not folder.is_dir():
            raise DistilError(f"{folder} is not a folder.", "Choose another folder with --to.")
        stem = without_quantization(source.path.name)
        paths = {name: folder / f"{stem}.{name}{_ENDING}" for name in self.quantizations}
        for name, path in paths.items():
            if path.exists() and path.samefile(source.path):
                raise UsageError(
                    f"{path} is FILE itself, so {name} can't be written there.",
                    "Choose another folder with --to.",
                )
            if folder.exists():  # else it is created
                check_new_file(path, (_ENDING,), force=self.force)
        return paths


def quantize(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="GGUF file with F32, F16 or BF16 weights, or an imported model that has one.",
            show_default=False,
        ),
    ],
    *,
    targets: _Targets,
    imatrix: Annotated[
        str | None,
        source_option(
            "Measure what matters on this text file; - for standard input.",
            "--imatrix",
            metavar="TEXT",
        ),
    ] = None,
    compare: Annotated[
        str | None,
        source_option(
            "Compare the files with FILE on this text file.", "--compare", metavar="TEXT"
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        new_file_option("Plot the comparison against file size in this .svg, .pdf or .png file."),
    ] = None,
    compute: ComputeOptions,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Quantize a model file, and print the paths of the new files.

    llama.cpp's own function does it, in a separate process. Each new file is loaded and tried
    before it gets its name: that of FILE, with the quantization in place of F32 or F16.
    --imatrix weights the errors of rounding with an importance matrix, measured on a text as
    llama-imatrix does. --compare measures perplexity, divergence and speed of FILE and of all
    new files on another text, and says which file to use.
    """
    terminal = Terminal.system(quiet=quiet)
    names = targets.quantizations
    if plot is not None:
        if compare is None:
            raise UsageError("--plot shows a comparison.", "Use it with --compare.")
        check_plot(plot, targets.force)
    texts = None if compare is None else Texts([compare])
    check_read_once([imatrix, *[compare] * (len(names) + 1)])
    for text in filter(None, (imatrix, compare)):
        check_readable(text, REMEDY)
    source = _source(file)
    paths = targets.paths(source)
    _check_floats(source)
    threads = compute.thread_count
    importance = None if imatrix is None else measure(terminal, source, imatrix, threads)
    made = []
    for name, path in paths.items():
        made.append(_made(terminal, source, name, path, targets, importance, threads))
        if json and texts is None:
            write_json(terminal, source, made[-1])
        elif not json:
            terminal.write(f"{path}\n")
    if texts is None or compare is None:
        return
    if importance and importance.is_of(compare):
        terminal.notice(
            f"{compare} is also the text of --imatrix, so the figures are better than those on"
            " other texts."
        )
    found = compare_files(terminal, source, made, texts, compute)
    if json:
        for each in made:
            write_json(terminal, source, each, found, compare)
    else:
        terminal.write("\n")
        write_comparison(terminal, found)
        terminal.write("\n")
        for sentence in advice(found):
            terminal.write_line(sentence)
    if plot is not None:
        write_plot(plot, [each.result for each in found], force=targets.force)


def _source(name: str) -> ModelFile:
    """Return the file that an argument names: of an imported model, the most exact one.

    Raises:
        ModelUnavailableError: there is none, or it can't be read.
    """
    own = imported.files(os.environ, name)
    label = next((each for each in FLOATS if each in own), None)
    try:
        return own_model(os.environ, name, label)
    except (ModelUnavailableError, UsageError) as error:
        if "--" not in str(error):
            raise
        # It names options of other commands.
        remedy = "Name the F32 or F16 GGUF file of a model."
        raise type(error)(error.what.replace("--model", "FILE"), remedy) from None


def _check_floats(source: ModelFile) -> None:
    from ...engine.llama.quantizing import check_floats

    check_floats(source.path)


def _made(
    terminal: Terminal,
    source: ModelFile,
    name: str,
    path: Path,
    targets: _Targets,
    importance: Importance | None,
    threads: int | None,
) -> Made:
    """Make one file.

    Raises:
        DistilError: it can't be made.
    """
    matrix = importance.matrix if importance else None
    with (
        new_file(path, force=targets.force) as part,
        terminal.progress(f"{source.name} to {name}", source.size, QUANTIZE) as advance,
    ):
        notices = quantize_file(
            source.path,
            part,
            name,
            pure=targets.pure,
            importance=matrix,
            threads=threads,
            advance=advance,
        )
    for notice in notices:
        terminal.notice(notice)
    return Made(name, local(path), targets.pure, importance, notices)
