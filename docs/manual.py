"""The manual page ``docs/distil.1``, in roff (see man(7)), from the app's own help."""

import re
from collections.abc import Sequence
from typing import Any

import typer

from distilgpt2_cli import __version__
from distilgpt2_cli.cli.app import every_command, load_command, make_app

HEAD = f"""\
.\\" Generated from the program's help by `make docs`.
.TH DISTIL 1 "" "distil {__version__}" "User Commands"
.SH NAME
distil \\- """

TAIL = """\
.SH EXIT STATUS
0 done, 1 failed, 2 wrong usage, 3 the model is not available, 4 the model file is damaged,
130 interrupted (Ctrl\\-C), 143 terminated (SIGTERM).
.SH ENVIRONMENT
.TP
.BR DISTIL_MODEL ", " DISTIL_QUANT ", " DISTIL_GPU_LAYERS
Set \\-\\-model, \\-\\-quant and \\-\\-gpu\\-layers for every command that has them.
.TP
.B DISTIL_DEBUG
1 shows the traceback of an error.
.TP
.BR HF_HOME ", " HF_ENDPOINT ", " HF_TOKEN ", " HF_HUB_OFFLINE
Set the cache, the Hub and access to it, as in other programs that use the Hugging Face Hub.
.SH FILES
.TP
.I ~/.cache/huggingface/hub
Downloaded model files.
"""


def manual() -> str:
    """Return the whole page."""
    program: Any = typer.main.get_command(make_app())
    context = program.make_context("distil", [], resilient_parsing=True)
    purpose = program.help.rstrip(".")
    parts = [f"{HEAD}{_plain(purpose[0].lower() + purpose[1:])}\n"]
    parts.append(".SH SYNOPSIS\n.B distil\n[OPTIONS] COMMAND [ARGS]...\n")
    parts.append(f".SH DESCRIPTION\n{_plain(program.help)}\n")
    parts.append(f".SH OPTIONS\n{_records(program, context)}")
    parts.append(_examples(program.epilog))
    parts.append(".SH COMMANDS\n")
    parts += [_command(each) for each in every_command()]
    return "".join(parts) + TAIL


def _command(names: Sequence[str]) -> str:
    command: Any = load_command(*names)
    path = " ".join(("distil", *names))
    context = command.make_context(path, [], resilient_parsing=True)
    usage = re.sub(r"\s+", " ", context.get_usage().removeprefix("Usage: "))
    paragraphs = command.help.strip().split("\n\n")
    text = "\n.PP\n".join(_plain(re.sub(r"\s+", " ", each)) for each in paragraphs)
    return f".SS {_plain(usage)}\n{text}\n{_records(command, context)}{_examples(command.epilog)}"


def _records(command: Any, context: Any) -> str:
    """Return the arguments and options as a list of definitions."""
    records = (each.get_help_record(context) for each in command.get_params(context))
    return "".join(
        f".TP\n.B {_plain(name)}\n{_plain(text)}\n" for name, text in filter(None, records)
    )


def _examples(epilog: str) -> str:
    lines = epilog.replace("\b", "").strip().splitlines()
    text = "\n".join(_plain(line) for line in lines[1:])
    return f".PP\n{lines[0]}\n.PP\n.nf\n{text}\n.fi\n"


def _plain(text: str) -> str:
    """Return a text in which nothing is a request or an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^(?=[.\s]*\.)", r"\\&", escaped)
