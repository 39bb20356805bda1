"""The Typer app: wires the commands together and does nothing else."""

import gc
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

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

# By name, in the order of the help: the module and its function of the same name, and the first
# sentence of that function's docstring, so that the help of the program imports none of them.
COMMANDS = {
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
    """All commands, each imported when it is used: a good part of a quick start."""

    context_class = Command.context_class

    def __init__(self, **attributes: Any) -> None:
        """Have the names and summaries only."""
        super().__init__(**attributes)
        for name, (_, summary) in COMMANDS.items():
            self.add_command(Command(name, short_help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the whole command, and its arguments.

        Raises:
            UsageError: there is no such command.
        """
        if not (args[0] in COMMANDS or args[0].startswith("-") or ctx.resilient_parsing):
            from .usage import unknown_command

            raise unknown_command(args, COMMANDS)
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and load_command(name), rest


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit status.

    Raises:
        DistilError: the command line can't be parsed, or the command failed.
    """
    try:
        status = make_app()(arguments, prog_name="distil", standalone_mode=False)
    except typer.TyperException as error:
        context: Any = getattr(error, "ctx", None)
        if context and not arguments:  # the help, which nobody has asked for
            typer.echo(error.message, err=True)
            return ExitStatus.USAGE
        from .usage import explained

        name = next((each for each in arguments if each in COMMANDS), None)
        command = context.command if context else name and load_command(name)
        path = context.command_path if context else f"distil {name or ''}".strip()
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


def load_command(name: str) -> Any:
    """Import a command and return it, with the garbage collector on for what it does."""
    from .shared.groups import flattened

    app = typer.Typer(add_completion=False, **_SETTINGS)
    module_name, _ = COMMANDS[name]
    module = import_module(f".{module_name}", __package__)
    app.command(name, cls=Command, epilog=module.EXAMPLES)(flattened(getattr(module, module_name)))
    command = typer.main.get_command(app)
    gc.freeze()
    gc.enable()
    return command


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
