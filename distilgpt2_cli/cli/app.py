"""The Typer app: wires the commands together and does nothing else."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

from ..errors import ExitStatus
from .help_layout import Command, help_width
from .instant import print_version

EXAMPLES = """\b
Examples:
  distil generate "Once upon a time"
  echo "The meaning of life is" | distil generate --seed 42
  distil download --quant Q4_K_M
  distil next "The capital of France is"
  distil score "The cat sat on the mat."
"""

Table = Mapping[str, tuple[str, str]]

# By name, in the order of the help: the module and its function of the same name, and the first
# sentence of that function's docstring, so that the help of the program imports none of them. A
# group of commands is a package with such a table of its own, and with the text of its help.
COMMANDS: Table = {
    "generate": ("generate", "Continue a text with the model."),
    "write": ("write", "Write a text in an editor that suggests continuations."),
    "replay": ("replay", "Run recorded completions again and compare the results."),
    "next": ("next_tokens", "Show the most likely next tokens and their probabilities."),
    "score": ("score", "Score each token of a text, given the tokens before it."),
    "perplexity": ("perplexity", "Measure the perplexity of models on text files."),
    "choose": ("choose", "Find the most likely choice of each item, and how often it is right."),
    "features": ("features", "Print the hidden states of a text."),
    "lens": (
        "lens",
        "Show what each layer of the model would say next, and where its heads look.",
    ),
    "probe": (
        "probe",
        "Compare variants of a prompt, for example to study a model's biases.",
    ),
    "tokenize": ("tokenize", "Show the tokens of a text, or decode token ids."),
    "map": (
        "map",
        "Compute a result for each row of large files, on all cores of a machine or of a cluster.",
    ),
    "batch": ("batch", "Answer a file of requests in OpenAI's batch format."),
    "serve": ("serve", "Serve the model over HTTP, as OpenAI's completions API."),
    "info": ("info", "Describe a model file, and summarize its model card."),
    "quantize": ("quantize", "Quantize a model file, and print the paths of the new files."),
    "download": ("download", "Download model files and print their paths."),
    "import": (
        "import_model",
        "Import a fine-tuned GPT-2, or a LoRA adapter for one, and print the paths of its files.",
    ),
    "models": (
        "models",
        "List the quantizations of DistilGPT2, and imported models, and show which are downloaded.",
    ),
    "verify": ("verify", "Check downloaded files against their hashes."),
    "remove": (
        "remove",
        "Remove downloaded files from the Hugging Face cache, or imported models.",
    ),
    "bench": ("bench", "Measure how fast distil is on this machine."),
    "doctor": (
        "doctor",
        "Check whether distil works on this machine.",
    ),
    "help": ("help_command", "Show the help of distil, or of a command."),
}

_HELP_OPTIONS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
_SETTINGS: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": _HELP_OPTIONS,
}


class Commands(TyperGroup):
    """Commands, each imported when it is used: a good part of a quick start.

    Attributes:
        names: the group's own after those of the groups that it is in; none for the program.
        table: its commands.
    """

    context_class = Command.context_class
    names: ClassVar[Sequence[str]] = ()
    table: ClassVar[Table] = COMMANDS

    def __init__(self, **attributes: Any) -> None:
        """Have the names and summaries only."""
        super().__init__(**attributes)
        for name, (_, summary) in self.table.items():
            self.add_command(Command(name, short_help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the whole command, and its arguments.

        Raises:
            UsageError: there is no such command.
        """
        if not (args[0] in self.table or args[0].startswith("-") or ctx.resilient_parsing):
            from .usage import unknown_command

            raise unknown_command(args, self.table, ctx.command_path)
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and load_command(*self.names, name), rest


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit status.

    Raises:
        DistilError: the command line can't be parsed, or the command failed.
    """
    try:
        status = make_app()(arguments, prog_name="distil", standalone_mode=False)
    except typer.TyperException as error:
        context: Any = getattr(error, "ctx", None)
        command = context and context.command
        # The help, which nobody has asked for.
        if isinstance(command, Commands) and list(arguments) == list(command.names):
            typer.echo(error.message, err=True)
            return ExitStatus.USAGE
        from .usage import explained

        names = _named(arguments)
        command = command or (load_command(*names) if names else None)
        path = context.command_path if context else " ".join(("distil", *names))
        raise explained(error, command, path) from error
    return status if isinstance(status, int) else ExitStatus.DONE


def make_app() -> typer.Typer:
    """Return the app with all commands."""
    app = typer.Typer(
        cls=Commands,
        help="Generate text with DistilGPT2 and llama.cpp, in a shell pipe.",
        epilog=EXAMPLES,
        no_args_is_help=True,
        **{**_SETTINGS, "context_settings": _HELP_OPTIONS | {"terminal_width": help_width()}},
    )
    app.callback()(distil)
    return app


def load_command(*names: str) -> Any:
    """Import a command and return it, with the garbage collector on for what it does.

    Args:
        names: its own after those of the groups that it is in; a group is returned itself.
    """
    module = _module(names)
    if hasattr(module, "COMMANDS"):
        return _group(names, module)
    from .shared.groups import flattened

    app = typer.Typer(add_completion=False, **_SETTINGS)
    function = getattr(module, module.__name__.rpartition(".")[2])
    app.command(names[-1], cls=Command, epilog=module.EXAMPLES)(flattened(function))
    command = typer.main.get_command(app)
    gc.freeze()
    gc.enable()
    return command


def commands_of(names: Sequence[str]) -> Table:
    """Return the commands of a group, or of the program without names; none for a command.

    Args:
        names: the group's own after those of the groups that it is in.
    """
    return getattr(_module(names), "COMMANDS", {}) if names else COMMANDS


def every_command(*group: str) -> Iterator[tuple[str, ...]]:
    """Yield the names of each command and group, each after those of the groups that it is in."""
    for name in commands_of(group):
        yield (*group, name)
        yield from every_command(*group, name)


def _module(names: Sequence[str]) -> ModuleType:
    """Import the module of a command."""
    *groups, name = names
    module_name, _ = commands_of(groups)[name]
    return import_module(f".{module_name}", _module(groups).__name__ if groups else __package__)


def _group(names: Sequence[str], module: ModuleType) -> Any:
    kind = type("Group", (Commands,), {"names": names, "table": module.COMMANDS})
    app = typer.Typer(
        cls=kind,
        name=names[-1],
        help=module.HELP,
        epilog=module.EXAMPLES,
        no_args_is_help=True,
        add_completion=False,
        **_SETTINGS,
    )
    app.callback()(_nothing)
    return typer.main.get_command(app)


def _nothing() -> None:
    """Do nothing: a group has no options of its own."""


def _named(arguments: Sequence[str]) -> list[str]:
    """Return the names of the command that arguments most likely mean, after its groups."""
    names: list[str] = []
    for argument in arguments:
        if argument in commands_of(names):
            names.append(argument)
    return names


def _print_version(wanted: bool) -> None:
    if wanted:
        print_version()
        raise typer.Exit


def distil(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_print_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Generate text with DistilGPT2."""
