"""What comes in and how a run ends: input of any size, signals, and streams that fail."""

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.cli.shared.texts import MAX_CHARACTERS
from distilgpt2_cli.errors import ExitStatus
from tests.support.buffering import buffered_or_not
from tests.support.extent import cases
from tests.support.processes import wait_for_work, wait_until_asleep, wait_until_full
from tests.support.run import DISTIL, TIMEOUT, run, started, terminal

LONG = ("--max-tokens", "-1", "--ignore-eos", "--seed", "1")


def test_of_an_endless_input_only_the_end_matters(env: dict[str, str], tiny: Path) -> None:
    options = ("generate", "-m", str(tiny), "--seed", "1", "--max-tokens", "20")
    end = " é and so on" * 200
    whole = run(*options, env=env, stdin=("x" * 3 * MAX_CHARACTERS + end).encode())
    assert whole.returncode == 0
    assert whole.stdout == run(*options, "--quiet", env=env, stdin=end.encode()).stdout
    first, second = whole.stderr.decode().splitlines()
    dropped = 2 * MAX_CHARACTERS + len(end)
    assert first.endswith(f"characters: the first {dropped} are left out.")
    assert "tokens are left out" in second or "are left out." in second


def test_memory_does_not_grow_with_the_input(tiny: Path) -> None:
    distil = f"{' '.join(DISTIL)} generate -m '{tiny}' --quiet --max-tokens 2"
    # What the input takes, it takes each time; what a busy machine adds, it adds now and then.
    some, much = (
        min(
            run_process(["sh", "-c", f"yes 'Hello there' | head -c {size} | {distil}"]).peak_bytes
            for _ in range(3)
        )
        for size in (5_000_000, 25_000_000)
    )
    assert much - some < 5e6


def test_one_line_without_an_end(env: dict[str, str], tiny: Path) -> None:
    """As from a device of zeros, or a file of one line."""
    options = ("generate", "-m", str(tiny), "--seed", "1", "--max-tokens", "3", "--quiet")
    for line in (b"word " * 2_000_000, bytes(3_000_000), "\u0301".encode() * 1_500_000):
        result = run(*options, env=env, stdin=line)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.endswith(b"\n")


def test_nul_characters_and_surrogates(env: dict[str, str], tiny: Path) -> None:
    options = ("generate", "-m", str(tiny), "--seed", "1", "--max-tokens", "3", "--json")
    prompt = json.loads(run(*options, env=env, stdin=b"a\0b\0\n").stdout)["prompt"]
    assert prompt == "a\0b\0"
    for text in ("a\ud800", "\udfff", "\ud83d\ude00"):
        wrong = text.encode(errors="surrogatepass")
        offset = wrong.index(b"\xed")
        for arguments, stdin in (((wrong,), b""), ((), wrong)):
            result = run(*options, *arguments, env=env, stdin=stdin)
            assert result.returncode == ExitStatus.FAILED
            assert f"the byte at offset {offset} (0xed)".encode() in result.stderr


@pytest.mark.parametrize("split", cases([2**20 - 1, 2**20 + 1], [2**20, 2**20 + 2]))
def test_a_wrong_byte_anywhere_is_named(env: dict[str, str], tiny: Path, split: int) -> None:
    """Also where a character lies across two parts of the input."""
    options = ("generate", "-m", str(tiny), "--max-tokens", "1")
    for wrong, offset in ((b"\xff", split), (b"\xe2\x82", split), (b"\xe2\x82z", split)):
        result = run(*options, env=env, stdin=b"a" * split + wrong)
        assert result.returncode == ExitStatus.FAILED
        assert f"the byte at offset {offset} (0x{wrong[0]:02x})".encode() in result.stderr
    whole = run(*options, "--quiet", env=env, stdin=b"a" * split + "€".encode())
    assert whole.returncode == 0


@buffered_or_not
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, ExitStatus.INTERRUPTED), (signal.SIGTERM, ExitStatus.TERMINATED)],
)
def test_a_signal_keeps_what_was_written(
    env: dict[str, str], tiny: Path, number: signal.Signals, status: ExitStatus
) -> None:
    with started("generate", "-m", str(tiny), *LONG, "Hello", env=env) as process:
        assert process.stdout
        first = process.stdout.read(100)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == status
    assert errors == b""
    assert len(first) == 100
    assert rest.endswith(b"\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_long_prompt_is_evaluated(
    env: dict[str, str], trained: Path, number: signal.Signals
) -> None:
    """The whole evaluation takes many times longer than is waited for here."""
    prompt = b" The old man and the sea." * 1200
    arguments = ("generate", "-m", str(trained), "--max-tokens", "1", "--seed", "1")
    with started(*arguments, env=env, stdin=prompt) as process:
        wait_for_work(process.pid, 0.8)
        process.send_signal(number)
        made, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + number
    assert (made, errors) == (b"\n", b"")


@buffered_or_not
def test_ctrl_c_twice_ends_a_run_that_waits_for_its_reader(env: dict[str, str], tiny: Path) -> None:
    """Nobody reads the pipe: the first Ctrl-C wants to write the line end, and waits."""
    with started("generate", "-m", str(tiny), *LONG, "Hello", env=env) as process:
        assert process.stdout
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)  # filled sooner
        wait_until_full(process.stdout.fileno())
        for _ in range(2):
            wait_until_asleep(process.pid)
            process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) in (-signal.SIGINT, ExitStatus.INTERRUPTED)


@buffered_or_not
def test_stop_and_go_on(env: dict[str, str], tiny: Path) -> None:
    options = ("generate", "-m", str(tiny), "--max-tokens", "400", "--ignore-eos", "-s", "1", "Hi")
    expected = run(*options, env=env).stdout
    with started(*options, env=env) as process:
        assert process.stdout
        first = os.read(process.stdout.fileno(), 50)
        for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGTSTP, signal.SIGCONT):
            process.send_signal(number)
        rest, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert first + rest == expected


@buffered_or_not
def test_a_full_disk_under_standard_output(env: dict[str, str], tiny: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*DISTIL, "generate", "-m", str(tiny), "--max-tokens", "3", "-s", "1", "Hi"]
        result = subprocess.run(
            command, env=env, stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT
        )
    assert result.returncode == ExitStatus.FAILED
    assert result.stderr.startswith(b"Error: Standard output can't be written: No space left")
    assert result.stderr.count(b"\n") == 1


@buffered_or_not
def test_a_full_disk_under_standard_error(env: dict[str, str], tiny: Path) -> None:
    """No error can be reported; the text is complete, and the status is right."""
    options = ("generate", "-m", str(tiny), "--max-tokens", "3", "-s", "1", "--stats", "Hi")
    expected = run(*options, env=env).stdout
    for arguments, status in ((options, 0), (("generate", "-m", "/none.gguf", "Hi"), 3)):
        with Path("/dev/full").open("wb") as full:
            command = [*DISTIL, *arguments]
            result = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=full)
        assert (result.returncode, result.stdout) == (status, b"" if status else expected)


@buffered_or_not
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream(env: dict[str, str], tiny: Path, closed: int) -> None:
    command = [*DISTIL, "generate", "-m", str(tiny), "--max-tokens", "3", "-s", "1", "Hi"]
    shell = f'exec "$@" {closed}>&-'
    result = subprocess.run(["sh", "-c", shell, "sh", *command], env=env, capture_output=True)
    expected = ExitStatus.FAILED if closed == 1 else ExitStatus.DONE
    assert result.returncode == expected
    assert b"Traceback" not in result.stderr
    if closed == 1:
        assert result.stderr.startswith(b"Error: Standard output can't be written: ")


@pytest.mark.parametrize("changes", [{"LC_ALL": "C"}, {"LANG": "POSIX", "PYTHONUTF8": "0"}])
def test_no_locale(env: dict[str, str], tiny: Path, changes: dict[str, str]) -> None:
    options = ("generate", "-m", str(tiny), "--seed", "1", "--max-tokens", "60", "Grüße, 世界")
    assert run(*options, env={**env, **changes}).stdout == run(*options, env=env).stdout


@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_no_home(env: dict[str, str], home: str | None) -> None:
    changed = {name: value for name, value in env.items() if name not in ("HOME", "HF_HOME")}
    if home:
        changed["HOME"] = home
    options = ("generate", "-m", "demo", "--seed", "1", "--max-tokens", "3", "Hi")
    result = run(*options, env=changed)
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_terminal_that_is_resized(env: dict[str, str], tiny: Path) -> None:
    options = ("generate", "-m", str(tiny), "--seed", "1", "-n", "2", "--max-tokens", "200", "Hi")
    with terminal(*options, "--ignore-eos", env=env, columns=80) as screen:
        screen.wait_for(b"1 of 2")
        screen.resize(30)
        assert screen.wait() == 0
    assert "── 2 of 2 · seed 2 ".ljust(30, "─").encode() in screen.output


@buffered_or_not
def test_text_reaches_the_shell_before_the_signal(env: dict[str, str], tiny: Path) -> None:
    """Every token is written when it is made: nothing is left in a buffer by SIGKILL."""
    with started("generate", "-m", str(tiny), *LONG, "Hello", env=env) as process:
        assert process.stdout
        descriptor = process.stdout.fileno()
        seen = os.read(descriptor, 10)
        process.kill()
        assert seen


def test_inputs_of_every_kind() -> None:
    """A part of ``make fuzz``; see there."""
    command = [DISTIL[0], "-m", "tests.fuzz.inputs", "4", "12345", "1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1].startswith("inputs tried: 4 ")
