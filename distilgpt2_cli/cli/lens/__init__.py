"""``distil lens``: what each layer of a model would say, and where its heads look."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...errors import UsageError
from ...files import check_new_file
from ...terminal import Terminal
from ..shared.adapters import adapted
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import FormatOptions, Quiet, TextOptions, new_file_option
from ..shared.texts import read_text

if TYPE_CHECKING:
    from ...engine import Model
    from .look import Look

EXAMPLES = """\b
Examples:
  distil lens "The capital of France is Paris"
  distil lens --layer 5 --head 2 "The cat sat on the mat because it was tired"
  distil lens --html inside.html --file story.txt
  distil lens --npz inside.npz "The cat sat on the mat"
  distil lens --csv --file story.txt > lens.csv
"""

Overflow = Literal["error", "end"]


@dataclass(frozen=True)
class _HeadOptions:
    """The head whose attention is shown."""

    layer: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Show the attention of a head of this layer, from 1.",
            show_default=False,
        ),
    ] = None
    head: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Show the attention of this head, from 1.", show_default=False
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse one without the other."""
        if (self.layer is None) != (self.head is None):
            given, missing = ("head", "layer") if self.layer is None else ("layer", "head")
            raise UsageError(
                f"--{given} shows the attention of one head, which needs --{missing}.",
                f"Add --{missing}, or leave out --{given} for the layers' predictions.",
            )


@dataclass(frozen=True)
class _OutputOptions(FormatOptions):
    """The format on standard output, and the files."""

    html: Annotated[
        Path | None,
        new_file_option("Also write an interactive page to this .html file."),
    ] = None
    npz: Annotated[
        Path | None,
        new_file_option("Also write all arrays to this .npz file, for NumPy."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files.")] = False

    def __post_init__(self) -> None:
        """Refuse options that exclude each other, or a file that can't be written."""
        super().__post_init__()
        if self.html is not None:
            check_new_file(self.html, (".html", ".htm"), force=self.force)
        if self.npz is not None:
            check_new_file(self.npz, (".npz",), force=self.force)


def lens(
    *,
    text: TextOptions,
    model: ModelOptions,
    overflow: Annotated[
        Overflow,
        typer.Option(help="Refuse a text longer than the context window, or use its end."),
    ] = "error",
    attention: _HeadOptions,
    output: _OutputOptions,
    quiet: Quiet = False,
) -> None:
    """Show what each layer of the model would say next, and where its heads look.

    The table has a row for each layer, the last one at the top and the embeddings (0) at the
    bottom. A cell is the most likely next token after the text up to its column, if the model ended
    at that layer: the logit lens. With --layer and --head, the table shows how much of its
    attention, in percent, each token (row) gives to itself and to each token before it (column).
    """
    terminal = Terminal.system(quiet=quiet)
    offload = model.offload
    written = read_text(terminal, text)
    file = model.locate(terminal)
    from ...engine import look_inside
    from ...engine.llama.loading import load
    from .look import Look

    with load(adapted(file), offload) as loaded:
        notice_loading(terminal, loaded.placement)
        tokens, left_out = _tokens(terminal, loaded, written, overflow)
        _check(loaded, len(tokens), attention, output)
        wanted = bool(output.html or output.npz or attention.head)
        with terminal.counting_results("layers", None):
            inside = look_inside(loaded, tokens, model.thread_count, attention=wanted)
        look = Look(file, loaded, written, left_out, inside, attention.layer, attention.head)
        _write_files(look, output)
        _write(terminal, look, output)


def _tokens(
    terminal: Terminal, model: "Model", text: str, overflow: Overflow
) -> tuple[Sequence[int], int]:
    """Return the tokens to evaluate, and how many before them are left out."""
    tokens = model.tokenize(text) or [model.start_token]
    left_out = max(len(tokens) - model.window, 0)
    if left_out and overflow == "error":
        raise UsageError(
            f"The text has {len(tokens)} tokens, and the context window {model.window}.",
            f"Shorten it, or use --overflow end for its last {model.window} tokens.",
        )
    if left_out:
        terminal.notice(f"The first {left_out:,} of {len(tokens):,} tokens are left out.")
    return tokens[left_out:], left_out


def _check(model: "Model", tokens: int, attention: _HeadOptions, output: _OutputOptions) -> None:
    """Refuse before the work what can't be shown."""
    for name, value, most in (
        ("layer", attention.layer, model.layers),
        ("head", attention.head, model.heads),
    ):
        if value is not None and not 0 < value <= most:
            raise UsageError(f"--{name} can't be {value}.", f"Use a number from 1 to {most}.")
    if output.html:
        from .page import check_size

        check_size(model, tokens)


def _write_files(look: "Look", output: _OutputOptions) -> None:
    if output.html:
        from .page import write_page

        write_page(look, output.html, force=output.force)
    if output.npz:
        from .arrays import write_arrays

        write_arrays(look, output.npz, force=output.force)


def _write(terminal: Terminal, look: "Look", output: _OutputOptions) -> None:
    if output.json:
        from .record import lens_record

        terminal.write_json(lens_record(look))
    elif output.csv:
        from .record import write_rows

        write_rows(terminal, look)
    else:
        from .text import write_grid, write_matrix

        (write_grid if look.head is None else write_matrix)(terminal, look)
