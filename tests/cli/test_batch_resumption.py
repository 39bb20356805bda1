"""``distil batch --output``: files of results, and runs that go on after any end."""

import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.batches import as_lines, command, many, request, results
from tests.support.extent import ALL_CASES, cases
from tests.support.forked import Run, run_all
from tests.support.processes import wait_until
from tests.support.run import DISTIL, TIMEOUT, run, started, terminal

# All kills are to meet a moment that nobody has thought of; some are enough for each kind of them.
KILLS = {"1": 50, "4": 15} if ALL_CASES else {"1": 5, "4": 2}


@pytest.mark.parametrize("parallel", KILLS)
def test_killed_again_and_again(
    env: dict[str, str], tiny: Path, tmp_path: Path, parallel: str
) -> None:
    """At any moment of its start, or soon after it has written; nothing is twice or missing."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(as_lines(many(1500 if ALL_CASES else 120)))
    base = command(tiny, "--parallel", parallel, "--workers", "1")
    expected = run(*base, str(source), env=env).stdout
    again = (*base, "--output", str(output), "--resume", str(source))
    moment = random.Random(int(parallel))
    for number in range(KILLS[parallel]):
        before = size(output)
        with started(*again, env=env) as process:
            if number % 3:
                wait_until(lambda: size(output) > before or process.poll() is not None)  # noqa: B023
            with suppress(subprocess.TimeoutExpired):  # a quick machine comes to the end
                process.wait(moment.uniform(0, 0.02 if number % 3 else 0.4))
            process.kill()
        written = output.read_bytes() if output.exists() else b""
        assert expected.startswith(written)
        if written == expected:
            output.unlink()
    last = run(*again, env=env)
    assert last.returncode == ExitStatus.FAILED
    assert output.read_bytes() == expected


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("parallel", ["1", "3"])
def test_going_on_from_any_byte(
    env: dict[str, str], tiny: Path, tmp_path: Path, parallel: str
) -> None:
    """As a kill in the middle of a write could leave it, also within a chunk.

    All bytes are places in the first line, at its end, and after whole lines; some stand for them.
    """
    source = tmp_path / "in.jsonl"
    source.write_bytes(as_lines(many(60)))
    base = command(tiny, "--parallel", parallel, "--workers", "1")
    expected = run(*base, str(source), env=env).stdout
    end = expected.index(b"\n", len(expected) * 2 // 3)
    places = cases(
        [0, 12, end, end + 1, end + 9, len(expected) - 1, len(expected)],
        [1, 30, end - 1, end + 2, end + 60],
    )
    outputs = [tmp_path / f"{place}.jsonl" for place in places]
    for place, output in zip(places, outputs, strict=True):
        output.write_bytes(expected[:place])
    runs = [Run([*base, "--output", str(output), "--resume", str(source)]) for output in outputs]
    failed = expected.count(b'"status_code": 400')
    for result, output in zip(run_all(runs, env, tmp_path), outputs, strict=True):
        assert (result.status, result.output) == (ExitStatus.FAILED, "")
        assert f"Error: {failed} of 60 requests failed." in result.errors
        assert output.read_bytes() == expected


def test_results_of_something_else_are_refused(
    env: dict[str, str], tiny: Path, tmp_path: Path
) -> None:
    """And not touched: of other requests, options or models, and files of any other kind."""
    source = tmp_path / "in.jsonl"
    requests = many(6)
    source.write_bytes(as_lines(requests))
    base = command(tiny, "--workers", "1")
    whole = run(*base, str(source), env=env).stdout
    shorter, changed = tmp_path / "shorter.jsonl", tmp_path / "changed.jsonl"
    shorter.write_bytes(as_lines(requests[:4]))
    changed.write_bytes(as_lines([*requests[:4], request("complete 4", prompt="Other"),
                                  requests[5]]))  # fmt: skip
    lines = whole.splitlines(keepends=True)
    refused: list[tuple[bytes, tuple[str, ...], int]] = [
        (whole, (*base, str(shorter)), 5),
        (whole, (*base, str(changed)), 5),
        (whole, (*base, "--parallel", "2", str(source)), 1),
        (whole, (*command("demo", "--workers", "1"), str(source)), 1),
        (b"".join(lines[1:]), (*base, str(source)), 1),
        (lines[0] + lines[0], (*base, str(source)), 2),
        (lines[0] + b"notes\n", (*base, str(source)), 2),
        (lines[0] + b"notes", (*base, str(source)), 2),
        (b"notes", (*base, str(source)), 1),
        (b"[]\n", (*base, str(source)), 1),
        (bytes(50), (*base, str(source)), 1),
        (whole + b"x", (*base, str(source)), 7),
    ]
    outputs = [tmp_path / f"{number}.jsonl" for number in range(len(refused))]
    for (content, _, _), output in zip(refused, outputs, strict=True):
        output.write_bytes(content)
    runs = [
        Run([*arguments, "--output", str(output), "--resume"])
        for (_, arguments, _), output in zip(refused, outputs, strict=True)
    ]
    made = run_all(runs, env, tmp_path)
    for (content, _, line), output, result in zip(refused, outputs, made, strict=True):
        assert (result.status, result.output) == (ExitStatus.FAILED, "")
        assert result.errors.startswith(f"Error: Line {line} of {output} is not the result of")
        assert output.read_bytes() == content


def test_no_file_is_overwritten(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(as_lines(many(3)))
    output.write_text("notes")
    base = command(tiny, "--workers", "1", str(source), "--output")
    refused: list[tuple[tuple[str, ...], ExitStatus, str]] = [
        ((*base, str(output)), ExitStatus.FAILED, "already exists"),
        ((*base, str(source)), ExitStatus.FAILED, "already exists"),
        ((*base, str(source), "--force"), ExitStatus.USAGE, "is the file of the requests"),
        ((*base, str(source), "--resume"), ExitStatus.USAGE, "is the file of the requests"),
        ((*base, "/dev/null", "--force"), ExitStatus.FAILED, "is not a regular file"),
        ((*base, str(tmp_path), "--force"), ExitStatus.FAILED, "Is a directory"),
        ((*base, str(tmp_path / "no/out")), ExitStatus.FAILED, "No such file or directory"),
        ((*base, str(output), "--force", "--resume"), ExitStatus.USAGE, "can't be combined"),
        ((*base[:-1], "--resume"), ExitStatus.USAGE, "--output"),
    ]
    made = run_all([Run(arguments) for arguments, _, _ in refused], env, tmp_path)
    for (_, status, said), result in zip(refused, made, strict=True):
        assert (result.status, result.output) == (status, "")
        assert said in result.errors
        assert result.errors.count("\n") == 1
    assert (output.read_text(), source.read_bytes()) == ("notes", as_lines(many(3)))
    assert run(*base, str(output), "--force", env=env).stderr == b""
    assert len(results(output.read_bytes())) == 3


def test_a_run_that_can_t_begin_leaves_nothing(
    env: dict[str, str], tiny: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(as_lines(many(3)))
    missing = run(*command("none.gguf", str(source), "--output", str(output)), env=env)
    assert missing.returncode == ExitStatus.MODEL_UNAVAILABLE
    unread = run(*command(tiny, "none.jsonl", "--output", str(output)), env=env)
    assert unread.returncode == ExitStatus.FAILED
    assert not output.exists()


def test_one_process_writes_a_file(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    with subprocess.Popen(
        [*DISTIL, *command(tiny, "--output", str(output), "-")],
        env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        wait_until(output.exists)
        second = run(*command(tiny, "--output", str(output), "--resume", "-"), env=env)
        assert second.returncode == ExitStatus.FAILED
        assert b"Another process writes" in second.stderr
        _, errors = process.communicate(as_lines(many(2)), TIMEOUT)
    assert (process.returncode, errors) == (ExitStatus.DONE, b"")
    assert len(results(output.read_bytes())) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(
    env: dict[str, str], tiny: Path, tmp_path: Path, number: signal.Signals
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    endless = request("endless", prompt="Hi", max_tokens=10**9, ignore_eos=True)
    source.write_bytes(as_lines([*many(3), endless]))
    with started(*command(tiny, "--output", str(output), str(source)), env=env) as process:
        wait_until(lambda: size(output) > 0 and output.read_bytes().count(b"\n") == 3)
        process.send_signal(number)
        made, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + number
    assert made == b""
    assert errors.decode() == f"The results so far are in {output}: go on with --resume.\n"
    assert len(results(output.read_bytes())) == 3


def test_progress_on_a_terminal(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    endless = request("endless", prompt="Hi", max_tokens=10**9, ignore_eos=True)
    source.write_bytes(as_lines([*many(3), endless]))
    arguments = command(tiny, "--output", str(output), str(source))
    with terminal(*arguments, env=env, columns=100) as screen:
        screen.wait_for(b"3/4")
        screen.type(b"\x03")
        assert screen.wait() == ExitStatus.INTERRUPTED
