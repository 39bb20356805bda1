"""``--workers``: processes that share the work, and the same bytes however many they are."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.errors import ExitStatus
from tests.support.extent import cases
from tests.support.processes import fed_by_yes, wait_until
from tests.support.run import DISTIL, TIMEOUT, run, started, terminal

COUNTS = cases(["1", "2"], ["3", "auto"])  # which is 1 to the number of cores
# Bad lines, an empty one, and a prompt that ends in a space, in the midst of several chunks.
LINES = [f"The {number}th day".encode() for number in range(150)]
LINES[70:70] = [b"bad \xff", b"", b"a space "]
LINES[140] = b"\xfe"
MANY = b"\n".join(LINES) + b"\n"


def children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    try:
        return [int(each) for each in listed.read_text().split()]
    except OSError:
        return []


def is_running(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def without_timings(output: bytes) -> bytes:
    return re.sub(rb'"(timings": {[^}]*}|[a-z_]*seconds": [0-9.e-]+)', b'"": 0', output)


def same(
    env: dict[str, str], stdin: bytes, *arguments: str, counts: Sequence[str] = COUNTS
) -> tuple[int, bytes, bytes]:
    """Run a command with every number of workers, and return what all of them give."""
    results = [run(*arguments, "--workers", count, env=env, stdin=stdin) for count in counts]
    found = [(each.returncode, without_timings(each.stdout), each.stderr) for each in results]
    assert found == found[:1] * len(counts)
    return found[0]


@pytest.mark.parametrize(
    "options", [("--echo",), ("--parallel", "4", "--json", "--logprobs", "1", "-n", "2")]
)
def test_generate(env: dict[str, str], tiny: Path, options: Sequence[str]) -> None:
    command = ("generate", "-m", str(tiny), "--lines", "-s", "1", "--max-tokens", "3")
    status, made, said = same(env, MANY, *command, *options)
    assert status == ExitStatus.FAILED
    texts = 150 * (2 if "-n" in options else 1)
    assert made.count(b"\n") == texts
    errors = said.decode().splitlines()
    assert [line.partition(" is ")[0] for line in errors[:3]] == [
        "Error: Line 71",
        "The prompt ends in a space. Most tokens begin with their own space, so the model continues"
        " with unusual ones; leave it out for ordinary text.",
        "Error: Line 141",
    ]
    assert errors[3:] == [
        "1 empty line was skipped.",
        "Error: 2 of 153 lines were skipped. Correct them (see the errors above), and run those"
        " lines again.",
    ]


@pytest.mark.parametrize("options", [("--csv",), ("--parallel", "4", "--json")])
def test_score(env: dict[str, str], tiny: Path, options: Sequence[str]) -> None:
    status, made, said = same(
        env, MANY, "score", "-m", str(tiny), "--lines", "--prefix", "It", *options
    )
    assert status == ExitStatus.FAILED
    assert made.count(b"\n") == 150 + ("--csv" in options)
    assert said.count(b"Error: Line") == 2


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_features(env: dict[str, str], tiny: Path, tmp_path: Path, parallel: str) -> None:
    stdin = MANY * 2 + b"too long " * 200 + b"\nlast\n"
    command = ("features", "-m", str(tiny), "--lines", "--pool", "mean", "--parallel", parallel)
    status, made, said = same(env, stdin, *command)
    assert status == ExitStatus.FAILED
    assert made.count(b"\n") == 2 * 150 + 1
    assert b"Error: Line 307: The text has" in said
    matrices = set()
    for count in COUNTS[:2]:
        path = tmp_path / f"{count}.npy"
        options = ("--workers", count, "--output", str(path))
        assert run(*command, *options, env=env, stdin=b"One\nTwo\n" * 140).returncode == 0
        matrices.add(path.read_bytes())
    assert len(matrices) == 1


def test_perplexity(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.txt" for number in range(4)]
    for number, file in enumerate(files):
        file.write_text(f"It was day {number}, and the rain fell.\n" * 30 * number)
    names = [str(file) for file in files]
    options = ("--json", "--quiet", "--window", "32")
    status, made, said = same(
        env,
        b"",
        "perplexity",
        "-m",
        str(tiny),
        *options,
        *names,
        counts=COUNTS,
    )
    assert (status, said) == (ExitStatus.DONE, b"")
    assert json.loads(made)["tokens"]["scored"] > 1000
    assert b"several files" in run("perplexity", "--workers", "2", names[1], env=env).stderr


def test_probe(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f" the {number}th\n" for number in range(36)))
    template = "The {boy|girl} saw"
    options = ("-s", "1", "-n", "6", "--parallel", "4", "--max-tokens", "4", "--json")
    command = ("probe", "-m", str(tiny), template, "--continuations", str(texts), *options)
    status, made, _ = same(env, b"", *command)
    assert status == ExitStatus.DONE
    assert len(json.loads(made)["continuations"]) == 36
    pairs = "".join(
        json.dumps({"more": f"He had {number}.", "less": f"She had {number}."}) + "\n"
        for number in range(36)
    )
    status, made, _ = same(
        env, pairs.encode(), "probe", "-m", str(tiny), "-s", "1", "--pairs", "-", "--json"
    )
    assert status == ExitStatus.DONE
    assert len(json.loads(made)["pairs"]) == 36


def test_replay_cuts_the_lines_as_they_were(env: dict[str, str], tiny: Path) -> None:
    command = ("generate", "-m", str(tiny), "--lines", "-s", "1", "--max-tokens", "4", "--json")
    made = run(*command, "--parallel", "3", "--workers", "2", env=env, stdin=b"Hello\n" * 120)
    again = run("replay", "-", env=env, stdin=made.stdout)
    assert (again.returncode, again.stderr) == (0, b"120 of 120 records are the same.\n")


@contextmanager
def endless(
    env: dict[str, str], tiny: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[int], bytes]]:
    """Start a run whose lines never end; yields it, its workers, and its first line of output."""
    command = ("generate", "-m", str(tiny), "--lines", "--max-tokens", "8", "-s", "1")
    with fed_by_yes([*DISTIL, *command, "--workers", "2", *options], env) as process:
        assert process.stdout
        first = process.stdout.readline()
        workers = children(process.pid)
        assert len(workers) == 2
        try:
            yield process, workers, first
            wait_until(lambda: not any(map(is_running, workers)))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(env: dict[str, str], tiny: Path, number: signal.Signals) -> None:
    with endless(env, tiny, "--json") as (process, _, first):
        process.send_signal(number)
        assert process.stdout
        assert process.stderr
        rest = process.stdout.read()
        assert (process.wait(TIMEOUT), process.stderr.read()) == (128 + number, b"")
    indices = [json.loads(line)["index"] for line in (first + rest).splitlines()]
    assert indices == list(range(len(indices)))


def test_a_reader_that_goes_away(env: dict[str, str], tiny: Path) -> None:
    with endless(env, tiny) as (process, _, _):
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_workers_end_with_the_process_that_started_them(env: dict[str, str], tiny: Path) -> None:
    with endless(env, tiny, "--parallel", "4") as (process, _, _):
        process.kill()


def test_a_worker_that_is_killed(env: dict[str, str], tiny: Path) -> None:
    stdin = b"Hello there\n" * 150
    command = ("generate", "-m", str(tiny), "--lines", "-s", "1", "--max-tokens", "10")
    expected = run(*command, "--workers", "1", env=env, stdin=stdin).stdout
    with started(*command, "--workers", "2", env=env, stdin=stdin) as process:
        assert process.stdout
        first = process.stdout.readline()
        subprocess.run(["kill", "-9", str(children(process.pid)[0])], check=True)
        rest = process.stdout.read()
        assert process.stderr
        assert (process.wait(TIMEOUT), process.stderr.read()) == (0, b"")
    assert first + rest == expected


def test_a_worker_that_is_killed_again_and_again(env: dict[str, str], tiny: Path) -> None:
    command = ("generate", "-m", str(tiny), "--lines", "-s", "1", "--max-tokens", "-1")
    stdin = b"Hello there\n" * 400
    with started(*command, "--ignore-eos", "--workers", "2", env=env, stdin=stdin) as process:
        while process.poll() is None:
            for worker in children(process.pid):
                subprocess.run(["kill", "-9", str(worker)], stderr=subprocess.DEVNULL)
        made, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, made) == (ExitStatus.FAILED, b"")
    assert errors == (
        b"Error: A worker process ended 3 times without a result, as for want of memory."
        b" Use --workers 1, or a lower --parallel.\n"
    )


def test_the_first_result_does_not_wait_for_a_chunk(env: dict[str, str], tiny: Path) -> None:
    """Also after the workers have begun, because much was there at first."""
    command = [*DISTIL, "generate", "-m", str(tiny), "--lines", "-s", "1", "--max-tokens", "2"]
    with subprocess.Popen(
        [*command, "--workers", "2"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        for count in (70, 1, 1):
            # What is no text must not make the others wait.
            process.stdin.write(b"Hello\n" * count + b"\n")
            process.stdin.flush()
            for _ in range(count):
                assert process.stdout.readline().endswith(b"\n")
        assert len(children(process.pid)) == 2
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0


def test_few_lines_start_no_process(env: dict[str, str], tiny: Path) -> None:
    command = ("generate", "-m", str(tiny), "--lines", "-s", "1", "--stats", "--max-tokens", "2")
    few = run(*command, "--workers", "3", env=env, stdin=b"Hi\n" * 32)
    many = run(*command, "--workers", "3", env=env, stdin=b"Hi\n" * 80)
    assert b"workers" not in few.stderr
    assert re.search(rb" tokens/s \xc2\xb7 [23] workers\n$", many.stderr)


def test_memory_does_not_grow_with_the_lines(tiny: Path) -> None:
    options = f"-m '{tiny}' --lines --parallel 8 --max-tokens 1 -s 1 --workers 2"
    few, many = (
        run_process(
            ["sh", "-c", f"yes Hi | head -n {count} | {' '.join(DISTIL)} generate {options}"]
        )
        for count in (1000, 8000)
    )
    assert many.peak_bytes - few.peak_bytes < 4e6


def test_an_error_is_the_same(env: dict[str, str], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + b"\0" * 100)
    arguments = ("score", "-m", str(damaged), "--lines")
    status, made, said = same(env, b"Hello\n" * 600, *arguments)
    assert (status, made) == (ExitStatus.MODEL_DAMAGED, b"")
    assert said.startswith(b"Error: ")


@pytest.mark.parametrize("value", ["0", "many", "-1", "1.5", "1025", ""])
def test_what_can_t_be(env: dict[str, str], tiny: Path, value: str) -> None:
    result = run("generate", "-m", str(tiny), "--lines", f"--workers={value}", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert b"Use auto, or a number from 1 to 1024." in result.stderr


@pytest.mark.parametrize("command", ["generate", "score", "features"])
def test_one_text_is_not_shared(env: dict[str, str], tiny: Path, command: str) -> None:
    result = run(command, "-m", str(tiny), "--workers", "2", "Hi", env=env)
    assert result.returncode == ExitStatus.USAGE
    assert result.stderr == (
        b"Error: --workers shares the work on several texts. Use it with --lines.\n"
    )


def test_ctrl_c_on_a_terminal(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    """It reaches the workers too, which leave it to the process that started them."""
    command = ("perplexity", "-m", str(tiny), "--workers", "2")
    text = tmp_path / "text.txt"
    text.write_text("It rained, and the sea was calm. " * 30_000)
    with terminal(*command, str(text), str(text), env=env) as screen:
        before = screen.attributes()
        screen.wait_for(b"perplexity ")
        screen.type(b"\x03")
        assert screen.wait() == ExitStatus.INTERRUPTED
        assert screen.attributes() == before
    assert b"Traceback" not in screen.output
