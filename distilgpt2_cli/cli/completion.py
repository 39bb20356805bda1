"""Completion for shells: the script of each, and where it is installed.

The scripts ask ``distil`` itself, by the variables that typer answers to. They stand here because
importing typer takes three times as long as all the rest of showing one.
"""

import os
from collections.abc import Mapping

from ..errors import DistilError, UsageError

SCRIPTS = {
    "bash": """\
_distil_completion() {
    local IFS=$'\\n'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
                   _DISTIL_COMPLETE=complete_bash "$1" ) )
}

complete -o default -F _distil_completion distil
""",
    "zsh": """\
#compdef distil

_distil_completion() {
    eval "$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _DISTIL_COMPLETE=complete_zsh distil)"
}

compdef _distil_completion distil
if [[ $funcstack[1] == _distil ]]; then
    _distil_completion "$@"
fi
""",
    "fish": """\
function __distil_complete
    env _DISTIL_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] \\
        _TYPER_COMPLETE_ARGS=(commandline -cp | string collect) distil
end

complete --command distil --no-files --condition "__distil_complete is-args" \\
    --arguments "(__distil_complete get-args)"
""",
}
"""By the name of the shell, in the order in which they are listed."""


def choose_shell(name: str | None, environment: Mapping[str, str]) -> str:
    """Return the shell that is named, or the user's: ``$SHELL``, or the one that runs distil.

    Raises:
        UsageError: there is no completion for it.
    """
    if name is None:
        name = os.path.basename(environment.get("SHELL", ""))  # noqa: PTH119
        if name not in SCRIPTS:
            name = _running_shell() or name
    if name not in SCRIPTS:
        what = f"There is no completion for {name!r}." if name else "The shell is not known."
        known = ", ".join(SCRIPTS)
        raise UsageError(what, f"Name one of {known}, as in `distil --show-completion zsh`.")
    return name


def check_question(environment: Mapping[str, str]) -> None:
    """Check that a shell asks, and not a person who has set its variables, before typer answers.

    Raises:
        UsageError: no script of ours asks so.
    """
    asked = environment["_DISTIL_COMPLETE"]
    has_words = "COMP_WORDS" in environment and environment.get("COMP_CWORD", "").isdecimal()
    known = [f"complete_{shell}" for shell in SCRIPTS]
    if asked not in known or (asked == "complete_bash" and not has_words):
        raise UsageError(
            f"_DISTIL_COMPLETE is {asked!r}, which no shell has set.",
            "Unset it: it is for the completion of commands.",
        )


def install(shell: str, environment: Mapping[str, str]) -> str:
    """Write a shell's script to where the shell finds it, and return the path.

    bash and zsh also need a line in a file that they read at their start; it is added once.

    Raises:
        DistilError: one of the files can't be written, or there is no home folder.
    """
    home = os.path.expanduser("~")  # noqa: PTH111
    if home == "~":
        raise DistilError("There is no home folder for the completion.", "Set HOME.")
    if shell == "bash":
        path = f"{home}/.bash_completions/distil.sh"
        quoted = path.replace("'", "'\\''")
        _add_line(f"{home}/.bashrc", f"source '{quoted}'")
    elif shell == "zsh":
        path = f"{home}/.zfunc/_distil"
        folder = environment.get("ZDOTDIR") or home
        _add_line(f"{folder}/.zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit")
    else:
        folder = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
        path = f"{folder}/fish/completions/distil.fish"
    _write(path, "wb", SCRIPTS[shell].encode())
    return path


def _running_shell() -> str | None:
    """Return the name of the shell among the processes that run this one."""
    import shellingham

    try:
        return str(shellingham.detect_shell()[0])
    except (shellingham.ShellDetectionFailure, RuntimeError):
        return None


def _add_line(path: str, line: str) -> None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise _failure(path, "read", error) from error
    encoded = os.fsencode(line)
    if encoded not in content.splitlines():
        separator = b"\n" if content and not content.endswith(b"\n") else b""
        _write(path, "ab", separator + encoded + b"\n")


def _write(path: str, mode: str, content: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, mode) as file:  # noqa: PTH123
            file.write(content)
    except OSError as error:
        raise _failure(path, "written", error) from error


def _failure(path: str, done: str, error: OSError) -> DistilError:
    return DistilError(
        f"{path} can't be {done}: {error.strerror}.",
        "Correct that, or put what `distil --show-completion` prints where your shell reads it.",
    )
