"""What is answered before there is a parser, which takes three times as long to import."""

from collections.abc import Mapping, Sequence

from .. import __version__
from ..errors import UsageError
from ..terminal.output import standard_output, write

_INSTALL, _SHOW = "--install-completion", "--show-completion"


def answer(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Answer arguments that ask for the version or for a shell's completion, or return False.

    Raises:
        UsageError: there is no completion for the shell, or more than one is named.
        DistilError: standard output, or a file of the shell, can't be written.
    """
    if list(arguments) in (["--version"], ["-V"]):
        print_version()
        return True
    option, *shells = _split(arguments)
    if option not in (_INSTALL, _SHOW) or any(shell.startswith("-") for shell in shells):
        return False
    if len(shells) > 1:
        raise UsageError(f"{option} takes one shell.", "Name bash, zsh or fish, or none.")
    _complete(option, shells[0] if shells else None, environment)
    return True


def print_version() -> None:
    """Print the version.

    Raises:
        DistilError: standard output can't be written.
    """
    write(standard_output(), f"distil {__version__}\n")


def _split(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments with the value of the first, after ``=``, as one of its own."""
    option, equals, value = "".join(arguments[:1]).partition("=")
    return [option, *([value] if equals else []), *arguments[1:]]


def _complete(option: str, name: str | None, environment: Mapping[str, str]) -> None:
    from .completion import SCRIPTS, choose_shell, install

    shell = choose_shell(name, environment)
    if option == _SHOW:
        write(standard_output(), SCRIPTS[shell])
        return
    path = install(shell, environment)
    write(
        standard_output(),
        f"{shell} completion installed in {path}\n"
        "Completion will take effect once you restart the terminal\n",
    )
