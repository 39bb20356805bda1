"""The main job, as a person and a script run it."""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilgpt2_cli.engine import GenerationOptions
from distilgpt2_cli.errors import ExitStatus
from tests.support.extent import cases
from tests.support.processes import wait_for_work, wait_until
from tests.support.run import DISTIL, TIMEOUT, run, started, terminal

PROMPT = "The old man and the"


def generated(env: dict[str, str], model: Path, *options: str, stdin: bytes = b"") -> bytes:
    """Return standard output of a run that must end well and say nothing on standard error."""
    result = run("generate", "--model", str(model), *options, env=env, stdin=stdin)
    assert result.stderr == b""
    assert result.returncode == ExitStatus.DONE
    return result.stdout


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_standard_input_to_standard_output(env: dict[str, str], tiny: Path) -> None:
    options = ("--seed", "42", "--max-tokens", "12")
    piped = generated(env, tiny, *options, stdin=PROMPT.encode() + b"\n")
    assert piped == generated(env, tiny, *options, PROMPT)
    assert piped == generated(env, tiny, *options, "-", stdin=PROMPT.encode() + b"\r\n")
    assert piped.endswith(b"\n")
    assert PROMPT.encode() not in piped
    assert piped.decode().split()


def test_a_prompt_never_touches_standard_input(env: dict[str, str], tiny: Path) -> None:
    read, write = os.pipe()  # never closed for writing: reading it would wait for ever
    try:
        command = [*DISTIL, "generate", "-m", str(tiny), "--max-tokens", "2", "-s", "1", "Hi"]
        subprocess.run(
            command, env=env, stdin=read, check=True, timeout=TIMEOUT, capture_output=True
        )
    finally:
        os.close(read)
        os.close(write)


def test_five_sequences_each_equal_to_its_single_run(env: dict[str, str], tiny: Path) -> None:
    stdin = b"Hello, I'm a language model,\n"
    options = ("--max-tokens", "20", "--seed")
    five = generated(env, tiny, *options, "42", "--num-sequences", "5", stdin=stdin)
    for threads in ("1", "2"):
        again = generated(env, tiny, *options, "42", "-n", "5", "--threads", threads, stdin=stdin)
        assert again == five
    singles = [generated(env, tiny, *options, str(seed), stdin=stdin) for seed in range(42, 47)]
    assert five == b"\n".join(singles)
    assert len(set(singles)) == 5


def test_seeds_wrap_around(env: dict[str, str], tiny: Path) -> None:
    output = generated(env, tiny, "--json", "-s", "4294967294", "-n", "2", "--max-tokens", "1", "a")
    assert [record["seed"] for record in records(output)] == [4294967294, 0]


def test_seed_zero_is_a_seed(env: dict[str, str], tiny: Path) -> None:
    runs = {generated(env, tiny, "--seed", "0", "--max-tokens", "20", "Hi") for _ in range(3)}
    assert len(runs) == 1


def test_a_drawn_seed_repeats_the_run(env: dict[str, str], tiny: Path) -> None:
    options = ("--json", "--max-tokens", "20", "Hi")
    (first,), (second,) = (records(generated(env, tiny, *options)) for _ in range(2))
    assert first["seed"] != second["seed"]
    (again,) = records(generated(env, tiny, "--seed", str(first["seed"]), *options))
    assert again["text"] == first["text"]


def test_json_holds_all_that_repeats_it(env: dict[str, str], tiny: Path) -> None:
    options = ("--seed", "3", "--max-tokens", "8", "--temperature", "0.7", "--stop", "zzz")
    (record,) = records(generated(env, tiny, "--json", *options, PROMPT))
    assert record["prompt"] == PROMPT
    assert record["seed"] == 3
    assert record["finish_reason"] == "length"
    assert record["tokens"] == {"prompt": 5, "completion": 8}
    defaults = json.loads(json.dumps(asdict(GenerationOptions())))
    chosen = {"max_tokens": 8, "temperature": 0.7, "stop": ["zzz"]}
    assert record["options"] == defaults | chosen | {"parallel": 1, "flash_attention": False}
    assert record["model"]["name"] == tiny.name
    assert record["model"]["path"] == str(tiny)
    assert record["model"]["repository"] is None
    assert len(record["model"]["sha256"]) == 64
    assert set(record["versions"]) == {"distil", "llama_cpp_python", "llama_cpp"}
    assert all(value > 0 for value in record["timings"].values())
    assert record["text"] + "\n" == generated(env, tiny, *options, PROMPT).decode()


def test_echo(env: dict[str, str], tiny: Path) -> None:
    options = ("--seed", "1", "--max-tokens", "5", "Hi there")
    assert generated(env, tiny, "--echo", *options) == b"Hi there" + generated(env, tiny, *options)


def test_stop_sequences_across_tokens(env: dict[str, str], tiny: Path) -> None:
    options = ("--temperature", "0", "--max-tokens", "30", PROMPT)
    whole = generated(env, tiny, *options).decode()
    stop = whole[15:22]
    cut = generated(env, tiny, "--stop", "never", "--stop", stop, *options).decode()
    assert cut == whole[: whole.index(stop)] + "\n"
    (record,) = records(generated(env, tiny, "--json", "--stop", stop, *options))
    assert record["finish_reason"] == "stop"


def test_bytes_arrive_before_the_end(env: dict[str, str], tiny: Path) -> None:
    with started(
        "generate", "-m", str(tiny), "--max-tokens", "-1", "--ignore-eos", "Hi", env=env
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(100)
        assert process.poll() is None


def test_unlimited_generation_goes_past_the_window(env: dict[str, str], tiny: Path) -> None:
    with started(
        "generate", "-m", str(tiny), "--max-tokens", "-1", "--ignore-eos", "Hi", env=env
    ) as process:
        assert process.stdout is not None
        assert len(process.stdout.read(10_000)) == 10_000  # the window holds about 700 bytes


def test_a_long_prompt_keeps_its_end_and_says_so_once(env: dict[str, str], tiny: Path) -> None:
    arguments = ("generate", "-m", str(tiny), "-s", "1", "--max-tokens", "10", "-n", "2")
    result = run(*arguments, env=env, stdin=b" word" * 300)
    assert result.returncode == 0
    assert result.stderr.count(b"first 182 tokens are left out") == 1
    assert run(*arguments, "--quiet", env=env, stdin=b" word" * 300).stderr == b""
    assert result.stdout == run(*arguments, env=env, stdin=b" word" * 118).stdout


@pytest.mark.parametrize(("words", "dropped"), cases([(128, 0), (129, 65)], [(127, 0), (130, 66)]))
def test_prompts_about_as_long_as_the_window(
    env: dict[str, str], tiny: Path, words: int, dropped: int
) -> None:
    """One that fits just so is evaluated whole; of a longer one half the window is kept."""
    arguments = ("generate", "-m", str(tiny), "-s", "1", "--max-tokens", "200", "--ignore-eos")
    result = run(*arguments, "--json", env=env, stdin=b" word" * words)
    assert result.returncode == 0
    (record,) = records(result.stdout)
    assert record["tokens"] == {"prompt": words - dropped, "completion": 200}
    told = f"its first {dropped} tokens are left out".encode() in result.stderr
    assert told == bool(dropped)
    kept = run(*arguments, env=env, stdin=b" word" * (words - dropped))
    assert kept.stdout.decode() == record["text"] + "\n"


def test_no_prompt_at_all(env: dict[str, str], tiny_gpt2: Path) -> None:
    options = ("--seed", "5", "--max-tokens", "9", "--json")
    (record,) = records(generated(env, tiny_gpt2, *options))
    assert record["prompt"] == ""
    assert record["tokens"]["prompt"] == 1
    (marked,) = records(generated(env, tiny_gpt2, *options, "<|endoftext|>"))
    assert marked["tokens"]["prompt"] == 7


def test_stats(env: dict[str, str], tiny_gpt2: Path) -> None:
    result = run("generate", "-m", str(tiny_gpt2), "--stats", "--max-tokens", "4", "Hi", env=env)
    line = result.stderr.decode()
    assert line.count("\n") == 1
    for part in ("seed ", "length", "load ", "prompt 1 tokens", "completion 4 tokens", "tokens/s"):
        assert part in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--temperature", "-1"), "--temperature can't be -1.0. Use 0 for greedy"),
        (("--temperature", "nan"), "--temperature can't be nan"),
        (("--top-p", "2"), "--top-p can't be 2.0. Use a number from 0 to 1."),
        (("--seed", "4294967295"), "--seed can't be 4294967295"),
        (("--num-sequences", "0"), "--num-sequences can't be 0"),
        (("--threads", "0"), "--threads can't be 0"),
        (("--max-tokens", "0"), "--max-tokens can't be 0. Use -1 for no limit"),
        (("--stop", ""), "--stop is empty"),
        (("--nonsense",), "distil generate has no option --nonsense. Run `distil generate --help`"),
    ],
)
def test_wrong_options_exit_2_before_anything_is_loaded(
    env: dict[str, str], tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    missing = tmp_path / "missing.gguf"
    result = run("generate", "-m", str(missing), *options, "Hi", env=env)
    assert result.returncode == ExitStatus.USAGE
    assert message in result.stderr.decode()
    assert result.stdout == b""


def test_a_damaged_model_exits_4(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(tiny.read_bytes()[:5000])
    result = run("generate", "-m", str(path), "Hi", env=env)
    assert result.returncode == ExitStatus.MODEL_DAMAGED
    assert result.stderr.startswith(b"Error: llama.cpp can't load ")
    assert result.stderr.count(b"\n") == 1


def test_input_that_is_not_utf8_names_the_offset(env: dict[str, str], tiny: Path) -> None:
    result = run("generate", "-m", str(tiny), env=env, stdin=b"caf\xe9 au lait")
    assert result.returncode == ExitStatus.FAILED
    assert b"offset 3 (0xe9)" in result.stderr
    result = run(b"generate", b"-m", bytes(tiny), b"\xff", env=env)
    assert result.returncode == ExitStatus.FAILED
    assert b"The prompt is not UTF-8 text: the byte at offset 0" in result.stderr


@given(st.binary(max_size=60))
@settings(max_examples=5)
def test_any_bytes_give_text_or_a_clear_error(env: dict[str, str], tiny: Path, data: bytes) -> None:
    result = run("generate", "-m", str(tiny), "-s", "1", "--max-tokens", "3", env=env, stdin=data)
    result.stdout.decode()
    assert b"Traceback" not in result.stderr
    wrong = first_wrong_byte(data)
    if wrong is None:
        assert result.returncode == ExitStatus.DONE
    else:
        assert result.returncode == ExitStatus.FAILED
        assert f"offset {wrong} ".encode() in result.stderr


def first_wrong_byte(data: bytes) -> int | None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def test_a_terminal_shows_prompt_seed_and_rules(env: dict[str, str], tiny: Path) -> None:
    arguments = ("generate", "-m", str(tiny), "-s", "7", "-n", "2", "--max-tokens", "3", "Hi you")
    with terminal(*arguments, env=env, columns=60) as screen:
        assert screen.wait() == 0
    assert screen.output.count(b"\x1b[2mHi you\x1b[0m") == 2
    assert "── 1 of 2 · seed 7 ──".encode() in screen.output
    assert "── 2 of 2 · seed 8 ──".encode() in screen.output
    plain = {**env, "NO_COLOR": "1"}
    with terminal(*arguments, env=plain) as screen:
        assert screen.wait() == 0
    assert b"\x1b" not in screen.output


def test_a_drawn_seed_is_shown_once(env: dict[str, str], tiny: Path) -> None:
    arguments = ("generate", "-m", str(tiny), "--max-tokens", "3", "Hi")
    drawn = run(*arguments, env=env)
    assert re.fullmatch(rb"seed \d+\n", drawn.stderr)
    again = run(*arguments, "--seed", drawn.stderr.split()[1].decode(), env=env)
    assert (again.stdout, again.stderr) == (drawn.stdout, b"")
    assert run(*arguments, "--quiet", env=env).stderr == b""
    assert run(*arguments, "--json", env=env).stderr == b""
    assert run(*arguments, "--temperature", "0", env=env).stderr == b""
    assert run(*arguments, "--stats", env=env).stderr.count(b"seed ") == 1
    with terminal(*arguments, env=env) as screen:
        assert screen.wait() == 0
    assert screen.output.count(b"seed ") == 1


def test_control_characters_are_visible_on_a_terminal_only(env: dict[str, str], tiny: Path) -> None:
    options = ("generate", "-m", str(tiny), "-s", "1", "--max-tokens", "1", "--echo")
    prompt = "a\x1b]0;title\x07\x9b[bold]"
    with terminal(*options, prompt, env=env) as screen:
        assert screen.wait() == 0
    assert rb"a\x1b]0;title\x07\x9b[bold]" in screen.output
    assert run(*options, prompt, env=env).stdout.startswith(prompt.encode())


def test_ctrl_c_keeps_the_text_and_exits_130(env: dict[str, str], tiny: Path) -> None:
    arguments = ("generate", "-m", str(tiny), "--max-tokens", "-1", "--ignore-eos", "Hi")
    with terminal(*arguments, env=env) as screen:
        screen.wait_for(b"Hi\x1b[0m")
        assert screen.read(time.monotonic() + TIMEOUT)
        screen.type(b"\x03")
        assert screen.wait() == ExitStatus.INTERRUPTED
    assert screen.output.endswith(b"\r\n")
    assert b"Traceback" not in screen.output


def test_an_interrupted_completion_is_still_a_record(env: dict[str, str], tiny: Path) -> None:
    """Unless it has no text yet, as for a moment after each: then it is tried again."""
    arguments = ("generate", "-m", str(tiny), "--json", "--max-tokens", "1000", "-n", "1000", "Hi")
    for _ in range(20):
        with started(*arguments, "--ignore-eos", env=env) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            lines: list[bytes] = []
            # All the time, so that it is not interrupted while it waits to write a whole record.
            reader = Thread(target=lines.extend, args=[process.stdout])
            reader.start()
            wait_until(lambda found=lines: bool(found))  # type: ignore[misc]
            wait_for_work(process.pid, 0.1)
            process.send_signal(signal.SIGINT)
            reader.join(TIMEOUT)
            assert process.stderr.read() == b""
            assert process.wait(TIMEOUT) == ExitStatus.INTERRUPTED
        *whole, last = records(b"".join(lines))
        assert {record["finish_reason"] for record in whole} <= {"length"}
        if last["finish_reason"] == "interrupted":
            assert last["text"]
            return
    raise AssertionError("no record of an interrupted completion")


def test_a_reader_that_goes_away_ends_it_as_sigpipe_does(env: dict[str, str], tiny: Path) -> None:
    arguments = ("generate", "-m", str(tiny), "--max-tokens", "-1", "--ignore-eos", "-s1", "Hi")
    with started(*arguments, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_debug_shows_the_traceback(env: dict[str, str], tmp_path: Path) -> None:
    arguments = ("generate", "-m", str(tmp_path / "none.gguf"), "Hi")
    assert b"Traceback" not in run(*arguments, env=env).stderr
    assert b"Traceback" in run(*arguments, env={**env, "DISTIL_DEBUG": "1"}).stderr
