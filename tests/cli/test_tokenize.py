"""``distil tokenize`` and its way back."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.errors import ExitStatus
from tests.support.extent import ALL_CASES
from tests.support.run import DISTIL, run, terminal


def output(env: dict[str, str], model: Path, *options: str | bytes, stdin: bytes = b"") -> bytes:
    result = run("tokenize", "-m", str(model), *options, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout


def test_a_table(env: dict[str, str], tiny_gpt2: Path) -> None:
    lines = output(env, tiny_gpt2, "Once upon é\n\x1b[31m").decode().splitlines()
    assert lines[0].split() == ["POSITION", "ID", "TOKEN"]
    assert lines[1].split() == ["0", "7454", '"Once"']
    assert '"\\n"' in lines[4]
    assert "\x1b" not in "".join(lines)


def test_ids_count_and_back(env: dict[str, str], tiny_gpt2: Path) -> None:
    ids = output(env, tiny_gpt2, "--ids", "To be, or not to be")
    assert ids == b"2514 307 11 393 407 284 307\n"
    assert output(env, tiny_gpt2, "--count", stdin=b"To be, or not to be\n") == b"7\n"
    for form in (ids, b"[2514,307,11, 393, 407, 284, 307]", b"2514\n307\n11 393 407 284 307"):
        assert output(env, tiny_gpt2, "--decode", stdin=form) == b"To be, or not to be"
    assert output(env, tiny_gpt2, "--decode", "2514 307") == b"To be"


@given(st.binary(max_size=80))
@settings(max_examples=50 if ALL_CASES else 3)
def test_any_bytes_come_back(env: dict[str, str], tiny_gpt2: Path, data: bytes) -> None:
    """All but one line end, which every command takes off its input.

    All cases are bytes that nobody has thought of.
    """
    ids = output(env, tiny_gpt2, "--ids", stdin=data + b"\r\n")
    assert output(env, tiny_gpt2, "--decode", stdin=ids) == data


def test_bytes_in_an_argument(env: dict[str, str], tiny_gpt2: Path) -> None:
    ids = output(env, tiny_gpt2, "--ids", b"caf\xe9")
    assert output(env, tiny_gpt2, "--decode", stdin=ids) == b"caf\xe9"


def test_special_tokens(env: dict[str, str], tiny_gpt2: Path) -> None:
    assert output(env, tiny_gpt2, "--count", "<|endoftext|>") == b"7\n"
    assert output(env, tiny_gpt2, "--ids", "--special", "<|endoftext|>a") == b"50256 64\n"
    assert output(env, tiny_gpt2, "--decode", "50256 64") == b"<|endoftext|>a"


def test_json(env: dict[str, str], tiny_gpt2: Path) -> None:
    record = json.loads(output(env, tiny_gpt2, "--json", "naïve 東"))
    assert record["text"] == "naïve 東"
    assert record["tokens"] == {"text": len(record["ids"])}
    assert [piece["id"] for piece in record["pieces"]] == record["ids"]
    spelled = bytes(byte for piece in record["pieces"] for byte in piece["bytes"])
    assert spelled.decode() == "naïve 東"
    assert any(piece["text"] == "\ufffd" for piece in record["pieces"])
    assert set(record) == {"text", "tokens", "ids", "pieces", "model", "warnings", "versions"}


def test_lines(env: dict[str, str], tiny_gpt2: Path) -> None:
    stdin = b"Once upon\n \na\xff\n"
    ids = output(env, tiny_gpt2, "--lines", stdin=stdin)
    assert ids.splitlines() == [b"7454 2402", b"220", b"64 187"]
    assert output(env, tiny_gpt2, "--lines", "--count", stdin=stdin) == b"2\n1\n2\n"
    assert output(env, tiny_gpt2, "--lines", "--decode", stdin=ids) == stdin
    records = [
        json.loads(line)
        for line in output(env, tiny_gpt2, "--lines", "--json", stdin=stdin).splitlines()
    ]
    assert [record["line"] for record in records] == [1, 2, 3]


def test_a_line_that_is_no_ids_leaves_the_others(env: dict[str, str], tiny_gpt2: Path) -> None:
    arguments = ("tokenize", "-m", str(tiny_gpt2), "--lines", "--decode")
    result = run(*arguments, env=env, stdin=b"64\nsix\n50257\n65\n")
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"a\nb\n")
    errors = result.stderr.decode().splitlines()
    assert errors[0].startswith("Error: Line 2: 'six' is not a token id.")
    assert errors[1].startswith("Error: Line 3: '50257' is not a token id.")
    assert errors[2].startswith("Error: 2 of 4 lines were skipped.")


def test_a_book_is_counted_in_blocks(env: dict[str, str], tiny_gpt2: Path) -> None:
    words = random.Random(1)
    text = " ".join(words.choice(("the", "sea", "and", "it's", "3.14")) for _ in range(150_000))
    count = int(output(env, tiny_gpt2, "--count", stdin=text.encode()))
    ids = output(env, tiny_gpt2, "--ids", stdin=text.encode()).split()
    assert len(ids) == count
    assert output(env, tiny_gpt2, "--decode", stdin=b" ".join(ids)) == text.encode()


def test_memory_does_not_grow_with_the_text(tiny_gpt2: Path) -> None:
    distil = f"{' '.join(DISTIL)} tokenize -m '{tiny_gpt2}' --count"
    some, much = (
        run_process(["sh", "-c", f"yes 'Hello there' | head -c {size} | {distil}"])
        for size in (1_000_000, 6_000_000)
    )
    assert much.peak_bytes - some.peak_bytes < 5e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ids", "--count", "a"), "--ids and --count can't be combined"),
        (("--decode", "--special", "1"), "--special has no effect with --decode"),
        (("--decode", "-1"), "'-1' is not a token id"),
        (("--decode", "--", "-1"), "'-1' is not a token id"),
        (("--decode", "9" * 5000), "is not a token id"),
        (("--decode", "1e3"), "Use numbers from 0 to 50256"),
        (("--lines", "a"), "--lines reads its texts from a file or standard input"),
    ],
)
def test_what_can_t_be(
    env: dict[str, str], tiny_gpt2: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("tokenize", "-m", str(tiny_gpt2), *options, env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    if "--decode" not in options[:1] or options[1] != "-1":  # an option, to the parser
        assert message in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_a_terminal_shows_controls(env: dict[str, str], tiny_gpt2: Path) -> None:
    arguments = ("tokenize", "-m", str(tiny_gpt2), "--decode", "64 159 65")
    with terminal(*arguments, env=env) as screen:
        assert screen.wait() == 0
    assert screen.output.endswith(b"\r\n")
