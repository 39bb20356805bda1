"""Command lines that can't be parsed: what is wrong with them, and what was most likely meant."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

import typer

from ..errors import UsageError

# What other programs call these commands.
_ELSEWHERE = {
    "complete": "generate",
    "run": "generate",
    "list": "models",
    "ls": "models",
    "rm": "remove",
    "delete": "remove",
    "pull": "download",
    "get": "download",
    "fetch": "download",
    "version": "--version",
}
_PROGRAM = "distil"
_NUMBERS = {"int": "a whole number", "float": "a number"}
_LONGEST_QUOTE = 60  # characters of a text that is repeated in an error


def unknown_command(
    arguments: Sequence[str], commands: Iterable[str], path: str = _PROGRAM
) -> UsageError:
    """Return the error for a command line that begins with no command.

    Args:
        arguments: all of them, of which the first is not the name of a command.
        commands: the names of all commands.
        path: the words that name the group of these commands.
    """
    first = arguments[0]
    what = f"{path} has no command {first or repr(first)}."
    meant = (_ELSEWHERE.get(first) if path == _PROGRAM else None) or _near(first, commands)
    if meant:
        return UsageError(what, f"Did you mean `{path} {meant}`?")
    if path != _PROGRAM:
        return UsageError(what, f"Run `{path} --help`.")
    if " " in first or not first.isascii() or (len(arguments) > 1 and first[:1].isupper()):
        text = " ".join(takewhile(lambda each: not each.startswith("-"), arguments))
        return UsageError(
            "distil needs the name of a command before a text.",
            f"To continue a text, run `distil generate {_quoted(text)}`.",
        )
    return UsageError(what, "Run `distil help`.")


def explained(error: typer.TyperException, command: Any, path: str) -> UsageError:
    """Return what typer says of a command line in two sentences.

    Args:
        error: typer's own, which has the option or parameter that it concerns.
        command: typer's object of the command.
        path: the words that name the command, such as ``distil generate``.
    """
    help_remedy = f"Run `{path} --help` for its options."
    option: str | None = getattr(error, "option_name", None)
    parameter: Any = getattr(error, "param", None)
    if option is not None and hasattr(error, "possibilities"):
        return _unknown_option(option, command, path, help_remedy)
    if option is not None:
        return _option_without_value(error, option, command, help_remedy)
    if parameter is not None and hasattr(error, "param_type"):
        return UsageError(f"{path} needs {_name(parameter)}.", f"Run `{path} --help` for examples.")
    if parameter is not None:
        return _bad_value(error, _name(parameter), help_remedy)
    extra = re.fullmatch(r"Got unexpected extra argument\(s\) \((.*)\)", error.message, re.DOTALL)
    if extra:
        return _too_many(extra[1], error, command, path, help_remedy)
    return UsageError(f"{error.message.rstrip('.')}.", help_remedy)


def _unknown_option(option: str, command: Any, path: str, help_remedy: str) -> UsageError:
    what = f"{path} has no option {option}."
    meant = _near(option, _options(command))
    if option in ("--version", "-V"):
        return UsageError(what, "Run `distil --version`.")
    if meant:
        return UsageError(what, f"Did you mean {meant}?")
    if hasattr(command, "commands"):
        return UsageError(what, "Write the options of a command after its name.")
    return UsageError(what, help_remedy)


def _option_without_value(
    error: typer.TyperException, option: str, command: Any, help_remedy: str
) -> UsageError:
    if "does not take a value" in error.message:
        return UsageError(f"{option} doesn't take a value.", f"Write {option} alone.")
    values = [each.make_metavar(None) for each in command.params if option in each.opts]
    example = f"Write it as in {option} {values[0]}." if values else help_remedy
    return UsageError(f"{option} needs a value.", example)


def _bad_value(error: typer.TyperException, name: str, help_remedy: str) -> UsageError:
    found = re.fullmatch(r"'(.*)' is not a valid (\w+)\.", error.message, re.DOTALL)
    if found and found[2] in _NUMBERS:
        return UsageError(f"{name} can't be {found[1]!r}.", f"Use {_NUMBERS[found[2]]}.")
    found = re.fullmatch(r"'(.*)' is not one of (.*)\.", error.message, re.DOTALL)
    if found:
        return UsageError(
            f"{name} can't be {found[1]!r}.", f"Use one of {found[2].replace(chr(39), '')}."
        )
    return UsageError(f"{name}: {error.message.rstrip('.')}.", help_remedy)


def _too_many(
    extra: str, error: typer.TyperException, command: Any, path: str, help_remedy: str
) -> UsageError:
    """Return the error for more arguments than a command takes, which are words of one text."""
    context: Any = getattr(error, "ctx", None)
    for parameter in command.params:
        if parameter.param_type_name == "argument" and parameter.metavar in ("PROMPT", "TEXT"):
            first = context.params.get(parameter.name) if context else None
            text = _quoted(f"{first or ''} {extra}".strip())
            kind = parameter.metavar.lower()
            return UsageError(
                f"{path} takes one {kind}, and got several.",
                f"Put the {kind} in quotes, as in `{path} {text}`.",
            )
    return UsageError(f"{path} can't take the argument {extra}.", help_remedy)


def _near(word: str, names: Iterable[str]) -> str | None:
    """Return the one name that a word begins, or is most likely meant to be."""
    names = list(names)
    beginning = [name for name in names if len(word.strip("-")) > 1 and name.startswith(word)]
    longer = [name for name in names if len(name.strip("-")) > 3 and word.startswith(name)]
    close = get_close_matches(word, names, n=1, cutoff=0.8)
    return next(iter([*close, *beginning, *longer]), None)


def _options(command: Any) -> list[str]:
    """Return the long options of a command."""
    options = [option for each in command.params for option in each.opts]
    return [option for option in [*options, "--help"] if option.startswith("--")]


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper()).rstrip(".")
    return str(max(parameter.opts, key=len))


def _quoted(text: str) -> str:
    """Return a text as one word of a shell, cut if it is long."""
    import shlex

    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE]}…"
    return shlex.quote(text) if set(text) & set('"\\$`!') else f'"{text}"'
