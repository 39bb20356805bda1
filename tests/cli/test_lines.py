"""Many prompts, one a line, one after another or several at once."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.errors import ExitStatus
from tests.support.processes import fed_by_yes, wait_for_work
from tests.support.run import DISTIL, TIMEOUT, run, started

PROMPTS = ("The sea is", "Once upon a time", "I", "It rained, and", "The sea is")


def lines(*options: str, env: dict[str, str], model: Path, stdin: bytes) -> list[bytes]:
    arguments = ("generate", "-m", str(model), "--lines", *options)
    result = run(*arguments, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.splitlines(keepends=True)


def joined(prompts: tuple[str, ...]) -> bytes:
    return "".join(f"{prompt}\n" for prompt in prompts).encode()


def test_each_line_equals_its_single_run(env: dict[str, str], tiny: Path) -> None:
    made = lines("--max-tokens", "12", "--seed", "5", env=env, model=tiny, stdin=joined(PROMPTS))
    assert len(made) == len(PROMPTS)
    for number, prompt in enumerate(PROMPTS):
        options = ("--max-tokens", "12", "--seed", str(5 + number))
        single = run("generate", "-m", str(tiny), *options, env=env, stdin=prompt.encode())
        assert made[number] == single.stdout[:-1].replace(b"\n", b"\\n") + b"\n"


@pytest.mark.parametrize("parallel", ["1", "2", "4"])
def test_json_has_the_number_of_the_line(env: dict[str, str], tiny: Path, parallel: str) -> None:
    options = ("--json", "-s", "7", "-n", "2", "--parallel", parallel, "--max-tokens", "9")
    made = lines(*options, env=env, model=tiny, stdin=joined(PROMPTS))
    records: list[dict[str, Any]] = [json.loads(line) for line in made]
    assert [record["line"] for record in records] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [record["seed"] for record in records] == list(range(7, 17))
    assert [record["prompt"] for record in records[::2]] == list(PROMPTS)
    assert {record["options"]["parallel"] for record in records} == {int(parallel)}
    assert lines(*options, env=env, model=tiny, stdin=joined(PROMPTS))[0].startswith(b'{"line": 1,')


def test_parallel_runs_repeat(env: dict[str, str], tiny: Path) -> None:
    options = ("-s", "3", "--parallel", "3", "--max-tokens", "10", "--threads")
    stdin = joined(PROMPTS)
    first = lines(*options, "1", env=env, model=tiny, stdin=stdin)
    assert lines(*options, "2", env=env, model=tiny, stdin=stdin) == first
    assert lines(*options, "auto", env=env, model=tiny, stdin=stdin) == first


def test_line_ends_and_the_last_line(env: dict[str, str], tiny: Path) -> None:
    options = ("--seed", "1", "--echo", "--max-tokens", "3")
    unix = lines(*options, env=env, model=tiny, stdin=b"a\nb\n")
    assert lines(*options, env=env, model=tiny, stdin=b"a\r\nb") == unix
    assert [line[:1] for line in unix] == [b"a", b"b"]


def test_a_line_that_fails_leaves_the_others(env: dict[str, str], tiny: Path) -> None:
    stdin = b"good\nbad \xff\nfine\n" + b"x" * (2**20 + 1) + b"\nlast\n"
    arguments = ("generate", "-m", str(tiny), "--lines", "--json", "-s", "10", "--max-tokens", "4")
    result = run(*arguments, "--parallel", "2", env=env, stdin=stdin)
    assert result.returncode == ExitStatus.FAILED
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["line"], r["prompt"], r["seed"]) for r in records] == [
        (1, "good", 10),
        (3, "fine", 12),
        (5, "last", 14),
    ]
    errors = result.stderr.decode().splitlines()
    assert errors[0].startswith("Error: Line 2 is not UTF-8 text: the byte at offset 4 (0xff)")
    assert errors[1].startswith("Error: Line 4 is longer than 1048576 bytes.")
    assert errors[2].startswith("Error: 2 of 5 lines were skipped.")
    assert len(errors) == 3


def test_as_many_lines_as_completions(env: dict[str, str], bundled: Path) -> None:
    """Line ends in them, which a grammar asks for here, are escapes; a backslash stays."""
    choices = r"a\nb|\n|a\\nb"
    command = ("generate", "-m", str(bundled), "--seed", "1", "-n", "9", "--choices", choices)
    made = run(*command, "--one-line", "Say:", env=env)
    exact = run(*command, "--json", "Say:", env=env)
    texts = [json.loads(line)["text"] for line in exact.stdout.splitlines()]
    assert len(set(texts)) > 1
    assert made.stdout.decode() == "".join(text.replace("\n", r"\n") + "\n" for text in texts)
    refused = run(*command, "--one-line", "--json", "Say:", env=env)
    assert (refused.returncode, refused.stdout) == (ExitStatus.USAGE, b"")
    assert refused.stderr == b"Error: --one-line and --json can't be combined. Use one of them.\n"


def test_no_lines(env: dict[str, str], tiny: Path) -> None:
    assert lines("--seed", "1", env=env, model=tiny, stdin=b"") == []


def test_a_prompt_beside_lines_is_refused(env: dict[str, str], tiny: Path) -> None:
    result = run("generate", "-m", str(tiny), "--lines", "Hello", env=env)
    assert result.returncode == ExitStatus.USAGE
    assert b"--lines" in result.stderr


@pytest.mark.parametrize(("option", "value"), [("--parallel", "0"), ("--parallel", "257")])
def test_out_of_range(env: dict[str, str], tiny: Path, option: str, value: str) -> None:
    result = run("generate", "-m", str(tiny), option, value, "Hi", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("value", ["0", "many", "-1", "1.5", "513", ""])
def test_threads_that_are_none(env: dict[str, str], tiny: Path, value: str) -> None:
    result = run("generate", "-m", str(tiny), f"--threads={value}", "Hi", env=env)
    assert result.returncode == ExitStatus.USAGE
    assert b"Use auto, or a number from 1 to 512." in result.stderr


def test_a_line_is_completed_before_the_next_one_comes(env: dict[str, str], tiny: Path) -> None:
    """As in a chain of filters, where each waits for the one before."""
    command = [*DISTIL, "generate", "-m", str(tiny), "--lines", "-s", "1", "--max-tokens", "3"]
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        for _ in range(3):
            process.stdin.write(b"Hello\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\n")
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_a_reader_that_stops_ends_the_work(env: dict[str, str], tiny: Path, parallel: str) -> None:
    """The lines never end; the run does, by the signal that ends other filters."""
    command = [*DISTIL, "generate", "-m", str(tiny), "-s", "1", "--lines", "--parallel", parallel]
    with fed_by_yes([*command, "--max-tokens", "2"], env) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE
        assert process.stderr
        assert process.stderr.read() == b""


def test_memory_does_not_grow_with_the_lines(tiny: Path) -> None:
    distil = " ".join(DISTIL)
    options = f"-m '{tiny}' --lines --parallel 8 --max-tokens 2 -s 1 --json"
    few, many = (
        run_process(["sh", "-c", f"yes Hello | head -n {count} | {distil} generate {options}"])
        for count in (100, 3000)
    )
    assert 20e6 < few.peak_bytes < 500e6
    assert many.peak_bytes - few.peak_bytes < 2e6


def test_ctrl_c_keeps_what_was_made(env: dict[str, str], tiny: Path) -> None:
    arguments = ("generate", "-m", str(tiny), "--lines", "--parallel", "3", "--json")
    with started(
        *arguments, "--max-tokens", "-1", "--ignore-eos", env=env, stdin=b"One\nTwo\nThree\nFour\n"
    ) as process:
        assert process.stderr
        assert process.stdout
        wait_for_work(process.pid)
        process.send_signal(signal.SIGINT)
        made, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert errors == b""
    records = [json.loads(line) for line in made.splitlines()]
    assert [record["prompt"] for record in records] == ["One", "Two", "Three"]
    for record in records:
        assert record["finish_reason"] == "interrupted"
        assert record["tokens"]["completion"] > 0
        assert record["text"]
