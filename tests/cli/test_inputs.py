"""What a command reads: standard input of every kind, pipes, files, and texts in options."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cli.app import COMMANDS, load_command
from distilgpt2_cli.errors import ExitStatus
from tests.support.forked import Result, Run, run_all
from tests.support.processes import wait_until_asleep
from tests.support.quick_model import env as env
from tests.support.run import DISTIL, TIMEOUT, run, terminal

THREAD = ("--threads", "1")
GENERATE = ("generate", *THREAD, "-s", "1", "--max-tokens", "4")
TEXT = "Once upon a time there was a little girl. She was happy and she had a dog.\n"
MARK = "\ufeff"
NOTICE = "Standard input is ignored, because the text is an argument; use - to read it.\n"


@pytest.mark.parametrize("options", [(), ("--lines",)])
def test_a_pipe_that_does_not_block_and_a_late_writer(
    env: dict[str, str], options: tuple[str, ...]
) -> None:
    """The text comes in two parts, each when the reader has found nothing."""
    expected = run(*GENERATE, *options, env=env, stdin=b"Once upon a time\n").stdout
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    command = [*DISTIL, *GENERATE, *options]
    with subprocess.Popen(command, env=env, stdin=read_end, stdout=subprocess.PIPE) as process:
        os.close(read_end)
        for part in (b"Once upon", b" a time\n"):
            wait_until_asleep(process.pid)
            os.write(write_end, part)
        os.close(write_end)
        output, _ = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output) == (0, expected)


def test_standard_input_that_can_t_be_read(env: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as only_written:
        command = [*DISTIL, *GENERATE]
        result = subprocess.run(command, env=env, stdin=only_written, capture_output=True)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert result.stderr == (
        b"Error: Can't read standard input: Bad file descriptor. Check where it comes from.\n"
    )


def shell(script: str, env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of bash, in which ``distil`` is a function."""
    distil = f'distil() {{ "{DISTIL[0]}" -m distilgpt2_cli "$@"; }}\n'
    command = ["bash", "-c", distil + script]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)


def test_a_pipe_is_read_once_and_whole(env: dict[str, str], tmp_path: Path) -> None:
    """The large text is more than what fits into a pipe or is read at once."""
    (tmp_path / "t.txt").write_text(TEXT * 4)
    (tmp_path / "large.txt").write_text(TEXT * 3_600)
    (tmp_path / "g.gbnf").write_text('root ::= "abc"')
    made = shell(
        """
        perplexity() { distil perplexity --threads 1 --json "$@"; }
        perplexity t.txt; perplexity <(cat t.txt); cat t.txt | perplexity /dev/stdin
        mkfifo fifo; cat t.txt > fifo & perplexity fifo
        """,
        env,
        tmp_path,
    )
    records = [json.loads(line) for line in made.stdout.splitlines()]
    figures = [(each["perplexity"], each["tokens"]) for each in records]
    assert figures == figures[:1] * 4
    made = shell(
        """
        distil generate -s 1 --grammar <(cat g.gbnf) Hi
        cat g.gbnf | distil generate -s 1 --grammar /dev/stdin Hi
        """,
        env,
        tmp_path,
    )
    assert (made.stdout, made.stderr) == ("abc\nabc\n", "")
    made = shell(
        """
        count() { distil tokenize -m demo --count --file "$1"; }
        count large.txt; count <(cat large.txt); count fifo & cat large.txt > fifo; wait
        """,
        env,
        tmp_path,
    )
    counts = made.stdout.split()
    assert counts == [counts[0]] * 3
    assert int(counts[0]) > 50_000


def test_a_pipe_can_t_be_read_twice(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    """Refused before anything was read: nobody writes to this one."""
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    runs = [
        Run(["perplexity", fifo, fifo]),
        Run(["perplexity", "--model", "demo", "--model", str(tiny), fifo]),
        Run(["perplexity", "-", "/dev/stdin"]),
        Run(["generate", "--grammar", "-"]),
        Run(["generate", "--json-schema", "/dev/stdin", "--lines"]),
        Run(["probe", "--continuations", "/dev/fd/0"]),
    ]
    results = run_all([each._replace(stdin=TEXT) for each in runs], env, tmp_path)
    for each, result in zip(runs, results, strict=True):
        assert (result.status, result.output) == (ExitStatus.USAGE, ""), each
        assert result.errors.endswith("can only be read once. Save the text in a file.\n"), each


def texts(result: Result) -> list[Any]:
    assert result.status == 0, result.errors
    records = [json.loads(line) for line in result.output.splitlines()]
    return [each.get("text", each.get("prompt")) for each in records]


def test_a_byte_order_mark_is_not_part_of_a_text(env: dict[str, str], tmp_path: Path) -> None:
    score = ("score", *THREAD, "--json")
    pair = json.dumps({"more": "He ran", "less": "She ran"})
    files = {"t.txt": TEXT, "c.txt": " He\n", "p.jsonl": pair, "g.gbnf": 'root ::= "a"'}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"marked-{name}").write_text(MARK + text)

    def both(*arguments: str, name: str = "", stdin: str = "") -> list[Run]:
        paths = [str(tmp_path / f"{mark}{name}") for mark in ("", "marked-")] if name else ["", ""]
        stdins = [stdin, MARK + stdin if stdin else ""]
        return [
            Run([path if each == "FILE" else each for each in arguments], stdin=text)
            for path, text in zip(paths, stdins, strict=True)
        ]

    probe = ("probe", *THREAD, "-n", "0", "--csv")
    runs = [
        *both(*GENERATE, stdin=TEXT),
        *both(*GENERATE, "--lines", stdin=TEXT),
        *both(*score, stdin=TEXT),
        *both(*score, "--lines", stdin="One\nTwo\n"),
        *both(*probe, "continuations", "--continuations", "FILE", "{a|b}", name="c.txt"),
        *both("probe", *THREAD, "--csv", "pairs", "--pairs", "FILE", name="p.jsonl"),
        *both(*GENERATE, "--grammar", "FILE", "Hi", name="g.gbnf"),
        *both("perplexity", *THREAD, "--quiet", "FILE", name="t.txt"),
        *both("perplexity", *THREAD, "--quiet", "-", stdin=TEXT),
    ]
    results = run_all(runs, env, tmp_path)
    for number in range(0, len(runs), 2):
        plain, marked = (_without_speed(each.output) for each in results[number : number + 2])
        assert results[number].status == 0, results[number].errors
        assert plain == marked, runs[number]
    inner, exact, lines = run_all(
        [
            Run([*score], stdin=f"a{MARK}b"),
            Run(["tokenize", "--json"], stdin=MARK + "a"),
            Run(["tokenize", "--json", "--lines"], stdin=MARK + "a\n"),
        ],
        env,
        tmp_path,
    )
    assert [*texts(inner), *texts(exact), *texts(lines)] == [f"a{MARK}b", MARK + "a", MARK + "a"]


def _without_speed(output: str) -> list[str]:
    return [line for line in output.splitlines() if not line.startswith("tokens/s")]


def test_a_prompt_beside_a_piped_text_gives_a_notice(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(TEXT)
    script = 'distil generate -s 1 --max-tokens 2 "Hi"'
    for line, notices in {
        f"{{ {script}; cat; }} < t.txt": 1,
        f"cat t.txt | {{ sleep 0.2; {script}; cat; }}": 1,
        f"{script} --quiet < t.txt; cat t.txt": 0,
        f"{script} < /dev/null; cat t.txt": 0,
        f"{script} <&-; cat t.txt": 0,
        f"mkfifo f; exec 9<>f; {script} <&9; cat t.txt": 0,
    }.items():
        result = shell(line, env, tmp_path)
        assert result.stderr == NOTICE * notices, line
        assert result.stdout.endswith("\n" + TEXT), line


SPACE = b" ends in a space. Most tokens begin with their own space"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((*GENERATE, "The dog "), b"The prompt"),
        (("next", *THREAD, "The dog "), b"The prompt"),
        (("score", *THREAD, "--prefix", "The dog ", "barked"), b"--prefix"),
        (("probe", *THREAD, "-n", "0", "-s", "1", "The {dog|cat} "), b"The prompt"),
        ((*GENERATE, "--lines"), b"The prompt"),
    ],
)
def test_a_prompt_that_ends_in_a_space_gives_one_notice(
    env: dict[str, str], arguments: tuple[str, ...], name: bytes
) -> None:
    lines = b"The cat\nThe dog \nThe cow \n"
    result = run(*arguments, env=env, stdin=lines)
    assert result.returncode == 0
    assert result.stderr.count(name + SPACE) == result.stderr.count(SPACE) == 1
    quiet = run(*arguments, "--quiet", env=env, stdin=lines)
    assert (quiet.stdout, quiet.stderr) == (result.stdout, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        (*GENERATE, "-"),
        (*GENERATE, "--file", "/dev/stdin"),
        (*GENERATE, "--lines", "-"),
        ("score", *THREAD, "--json", "-"),
        ("tokenize", "--ids", "-"),
    ],
)
def test_a_terminal_is_read_to_ctrl_d(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    typed = b"One day\nTom found\n"
    expected = run(*arguments, env=env, stdin=typed)
    with terminal(*arguments, env={**env, "NO_COLOR": "1"}) as screen:
        screen.wait_for(b"Reading from the terminal. Press Ctrl-D on an empty line to end.\r\n")
        screen.type(typed + b"\x04")
        assert screen.wait() == 0
    shown = screen.output.replace(b"\r\n", b"\n")
    assert shown.endswith(expected.stdout), shown


def test_a_text_that_is_omitted_on_a_terminal_is_empty(env: dict[str, str]) -> None:
    expected = run(*GENERATE, "", env=env)
    with terminal(*GENERATE, env=env) as screen:
        assert screen.wait() == 0
    assert expected.stdout.strip().decode() in screen.output.decode()
    assert b"Ctrl-D" not in screen.output


def test_empty_lines_are_skipped_by_every_command(env: dict[str, str], tmp_path: Path) -> None:
    commands = [
        [*GENERATE],
        ["next", *THREAD],
        ["score", *THREAD],
        ["features", *THREAD, "--pool", "mean"],
        ["tokenize"],
    ]
    runs = [
        Run([*command, "--json", "--lines"], stdin="\nOne\r\n\r\n\nTwo\n") for command in commands
    ]
    for each, result in zip(runs, run_all(runs, env, tmp_path), strict=True):
        assert (result.status, result.errors) == (0, "3 empty lines were skipped.\n"), each
        records = [json.loads(line) for line in result.output.splitlines()]
        assert [record["line"] for record in records] == [2, 5], each


TEXT_COMMANDS = {
    "generate": [*GENERATE],
    "next": ["next", *THREAD, "--top", "3"],
    "score": ["score", *THREAD],
    "tokenize": ["tokenize"],
    "features": ["features", *THREAD, "--pool", "mean"],
    "lens": ["lens", *THREAD],
    "probe": ["probe", *THREAD, "-n", "0", "--csv", "next"],
}


def test_every_command_that_takes_a_text_reads_a_file_too() -> None:
    takes_text = []
    for name in COMMANDS:
        options = {each.name: each for each in load_command(name).params}
        if any(
            each.metavar in ("TEXT", "PROMPT")
            for each in options.values()
            if not each.opts[0].startswith("-")
        ):
            takes_text.append(name)
            assert "--file" in options["file"].opts, name
    assert sorted(takes_text) == sorted(TEXT_COMMANDS)


def test_a_text_of_a_file(env: dict[str, str], tmp_path: Path) -> None:
    """The same as on standard input, whole or by lines."""
    path = tmp_path / "t.txt"
    path.write_text("{One|Two} day\r\n\nTwo\r\n")
    once = [[*command] for command in TEXT_COMMANDS.values()]
    runs = [*once, *([*each, "--lines"] for each in once if each[0] not in ("lens", "probe"))]
    pairs = [
        [Run([*each, "--file", str(path)]), Run(each, stdin=path.read_bytes().decode())]
        for each in runs
    ]
    results = run_all([run for pair in pairs for run in pair], env, tmp_path)
    for number, (pair, _) in enumerate(pairs):
        of_file, of_stdin = results[2 * number : 2 * number + 2]
        assert of_file == of_stdin, pair
        assert of_file.status == 0, of_file.errors
        assert len(of_file.output) > 3


def test_files_that_can_t_be_the_text(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    folder, latin, none = str(tmp_path), str(tmp_path / "latin"), str(tmp_path / "none")
    remedy = "Check the file name after --file.\n"
    expected = {
        ("--file", none): f"Can't read {none}: No such file or directory. {remedy}",
        ("--file", none, "--lines"): f"Can't read {none}: No such file or directory. {remedy}",
        ("--file", folder): f"Can't read {folder}: Is a directory. {remedy}",
        ("--file", latin): f"{latin} is not UTF-8 text: the byte at offset 3 (0xe9) is not valid.",
        ("--file", latin, "Hi"): "A text and --file can't be combined. Use one of them.\n",
    }
    runs = [Run(["score", *THREAD, *options]) for options in expected]
    runs.append(Run(["tokenize", "-m", "nowhere.gguf", "--file", none]))  # before the model
    messages = [*expected.values(), f"Can't read {none}: No such file or directory. {remedy}"]
    for message, result in zip(messages, run_all(runs, env, tmp_path), strict=True):
        assert (result.status != 0, result.output) == (True, "")
        assert result.errors.startswith(f"Error: {message}")
    shown = shell("distil tokenize -m demo --ids -f <(printf 'To be')", env, tmp_path)
    assert (shown.stdout, shown.stderr) == ("2514 307\n", "")


def test_a_text_that_is_the_name_of_a_file_gives_a_notice(
    env: dict[str, str], tmp_path: Path
) -> None:
    path = str(tmp_path / "{a|b}.txt")
    Path(path).write_text(TEXT)
    notice = f"{path} is also a file; its name is used as the text."
    runs = [Run([*command, path]) for command in TEXT_COMMANDS.values()]
    other = [
        Run(["score", *THREAD, "--prefix", path, "Hi"]),
        Run([*TEXT_COMMANDS["probe"], "--continuation", path, "{a|b}"]),
    ]
    silent = [
        Run([*GENERATE, "--quiet", path]),
        Run([*GENERATE, str(tmp_path)]),  # a folder has no text
        Run(["score", *THREAD, "x" * 5000]),
        Run(["score", *THREAD, "--file", path]),
    ]
    results = run_all([*runs, *other, *silent], env, tmp_path)
    for result in results[: len(runs)]:
        assert (result.status, result.errors) == (0, f"{notice} Use --file to read the file.\n")
    assert [each.errors for each in results[len(runs) : -len(silent)]] == [
        f"{notice}\n",
        f"{notice} Use --continuations to read a file.\n",
    ]
    assert [each.errors for each in results[-len(silent) :]] == [""] * len(silent)
