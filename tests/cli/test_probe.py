"""``distil probe``: variants of a prompt, compared."""

import json
import math
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from distilgpt2_cli.probing.contrasts import words_of
from tests.support.probing import FEW, PAIRS, TEMPLATE, WARNING, logprob, output, record, table
from tests.support.processes import wait_for_work
from tests.support.run import TIMEOUT, run, started, terminal


def test_everything_in_one_object(env: dict[str, str]) -> None:
    found = record(env, *FEW, "--continuation", " Lily", "--continuation", " Tom ran.", TEMPLATE)
    boy, girl = (each["prompt"] for each in found["variants"])
    assert [boy, girl] == [TEMPLATE.replace("{boy|girl}", each) for each in ("boy", "girl")]
    assert [each["seed"] for each in found["completions"]] == list(range(42, 54))
    assert all(len(each["texts"]) == 2 for each in found["completions"])
    assert (found["seed"], found["interrupted"]) == (42, False)
    assert found["options"]["parallel"] == 16
    for given in found["continuations"]:
        expected = [logprob(env, given["text"], prompt) for prompt in (boy, girl)]
        assert given["logprobs"] == pytest.approx(expected, abs=1e-12)
    lily, _ = found["continuations"]
    assert lily["logprobs"][1] > lily["logprobs"][0] + 2


def test_next_tokens_are_those_of_next(env: dict[str, str], tiny: Path) -> None:
    env = {**env, "DISTIL_MODEL": str(tiny)}
    found = record(env, "-n", "0", "--top", "60000", TEMPLATE)
    probabilities: list[dict[int, float]] = [{}, {}]
    for number, variant in enumerate(found["variants"]):
        made = run("next", "--json", "--top", "60000", variant["prompt"], env=env).stdout
        expected = {each["id"]: each["logprob"] for each in json.loads(made)["top"]}
        assert len(expected) == len(found["next"])
        for each in found["next"]:
            # One of them with flash attention, the other without: see docs/accuracy.md.
            assert each["logprobs"][number] == pytest.approx(expected[each["id"]], abs=0.2)
        probabilities[number] = {
            each["id"]: math.exp(each["logprobs"][number]) for each in found["next"]
        }
    first, second = probabilities
    bits = 0.0
    for token, p in first.items():
        q = second[token]
        m = (p + q) / 2
        bits += (p * math.log2(p / m) if p else 0) / 2 + (q * math.log2(q / m) if q else 0) / 2
    assert found["divergences"] == [{"variants": [0, 1], "bits": pytest.approx(bits, rel=1e-6)}]


def test_each_seed_s_completion_is_that_of_generate(env: dict[str, str]) -> None:
    options = (*FEW, "--parallel", "1", "--temperature", "0.8", "--top-k", "20", "--stop", ".")
    found = record(env, *options, TEMPLATE)
    for number, variant in enumerate(found["variants"]):
        made = run(
            "generate", "-m", "demo", "--json", *options, variant["prompt"], env=env
        ).stdout.splitlines()
        expected = [json.loads(line)["text"] for line in made]
        assert [each["texts"][number] for each in found["completions"]] == expected


def test_the_same_seed_gives_the_same_bytes(env: dict[str, str], tiny: Path) -> None:
    env = {**env, "DISTIL_MODEL": str(tiny)}
    first = output(env, *FEW, TEMPLATE)
    assert output(env, *FEW, "--threads", "1", stdin=TEMPLATE.encode() + b"\n") == first
    assert output(env, *FEW, "--seed", "43", TEMPLATE) != first


def test_words_are_counted_in_the_completions(env: dict[str, str]) -> None:
    options = ("--seed", "1", "-n", "40", "--max-tokens", "10", TEMPLATE)
    found = record(env, *options)
    counts = [Counter[str](), Counter[str]()]
    for each in found["completions"]:
        for number, variant in enumerate(found["variants"]):
            cut = each["finish_reasons"][number] == "length"
            counts[number] += words_of(variant["prompt"], each["texts"][number], cut=cut)
    assert {each["word"] for each in found["words"] if each["variant"] == 0} >= {"he"}
    assert {each["word"] for each in found["words"] if each["variant"] == 1} >= {"she"}
    for each in found["words"]:
        own, other = counts[each["variant"]], counts[1 - each["variant"]]
        assert (each["count"], each["other_count"]) == (own[each["word"]], other[each["word"]])
        assert each["interval"][0] <= each["log_odds"] <= each["interval"][1]


def test_tables(env: dict[str, str], tiny: Path) -> None:
    env = {**env, "DISTIL_MODEL": str(tiny)}
    options = (*FEW, "--continuation", " Lily", TEMPLATE)
    found = record(env, *options)
    completions = table(env, "completions", *options)
    assert [each["text"] for each in completions] == [
        text for each in found["completions"] for text in each["texts"]
    ]
    assert [each["variant"] for each in completions] == ["A", "B"] * 12
    words = table(env, "words", *options)
    assert [float(each["z"]) for each in words] == [each["z"] for each in found["words"]]
    (divergence,) = table(env, "divergences", *options)
    assert float(divergence["bits"]) == found["divergences"][0]["bits"]
    next_tokens = table(env, "next", *options)
    assert [float(each["logprob"]) for each in next_tokens] == [
        each["logprobs"][number] for number in (0, 1) for each in found["next"]
    ]
    continuations = table(env, "continuations", *options)
    assert [float(each["logprob"]) for each in continuations] == (
        found["continuations"][0]["logprobs"]
    )


def test_continuations_from_a_file(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbf Lily\r\n Tom\n")
    rows = table(
        env, "continuations", "-n", "0", "--continuation", " Ben", "--continuations", str(path),
        TEMPLATE,
    )  # fmt: skip
    assert [each["continuation"] for each in rows] == [" Ben"] * 2 + [" Lily"] * 2 + [" Tom"] * 2


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_terminal(env: dict[str, str], columns: int) -> None:
    # With a seed of fewer digits, which may be drawn, two columns fit.
    seed = ("--seed", "4000000000") if columns == 60 else ()
    options = ("-m", "demo", "-n", "6", "--max-tokens", "8", *seed)
    arguments = ("probe", *options, TEMPLATE + " \x1b[2J")
    with terminal(*arguments, env=env, columns=columns) as screen:
        assert screen.wait() == ExitStatus.DONE
    text = screen.output.decode().replace("\r", "")
    assert ("seed " in text) == (not seed)
    assert WARNING in text
    assert "\x1b[2J" not in text
    shown = text[text.index("Completions by seed") :]
    side_by_side = any("A (boy)" in line and "B (girl)" in line for line in shown.splitlines())
    assert side_by_side == (columns == 120)
    assert "A (boy)" in shown


def test_ctrl_c_shows_what_there_is(env: dict[str, str]) -> None:
    arguments = ("probe", "-m", "demo", "--seed", "1", "-n", "100000", "--max-tokens", "4")
    with terminal(*arguments, "--json", TEMPLATE, env=env) as screen:
        screen.wait_for(b"completions")
        screen.wait_for(b"/200000")
        screen.type(b"\x03")
        assert screen.wait() == ExitStatus.INTERRUPTED
    start = screen.output.index(b'{"template"')
    found = json.loads(screen.output[start:].splitlines()[0])
    assert found["interrupted"] is True
    seeds = [each["seed"] for each in found["completions"]]
    assert seeds == list(range(1, len(seeds) + 1))
    assert found["divergences"]


@pytest.mark.parametrize(
    "work",
    [("-n", "100000", "--max-tokens", "4", TEMPLATE), (TEMPLATE, "--continuations"), ("--pairs",)],
)
def test_sigterm_shows_what_there_is(
    env: dict[str, str], tmp_path: Path, work: tuple[str, ...]
) -> None:
    path, report = tmp_path / "many.jsonl", tmp_path / "report.html"
    path.write_text((json.dumps(PAIRS[0]) + "\n") * 5_000)
    if work[-1].startswith("--"):
        work = (*work, str(path))
    options = ("-m", "demo", "-s1", "--workers", "1", "--html", str(report))
    with started("probe", *options, *work, env=env) as process:
        # There is nothing to be seen in a pipe; after so much work something has been done.
        wait_for_work(process.pid, 0.8)
        process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal.SIGTERM
    assert said == b""
    (done,) = re.findall(r"Interrupted: (?:only the first )?(\d+) ", printed.decode())
    assert int(done) > 0 or b"Continuations: " in printed
    assert "then interrupted" in report.read_text()


def test_a_reader_that_goes_away(env: dict[str, str]) -> None:
    with started("probe", "-m", "demo", "-n", "4", TEMPLATE, env=env) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("The man",), "The prompt has no alternatives"),
        (("The {a|b man",), "Unmatched { at character 5 of the prompt."),
        (("{a|b}{a|b}{a|b}{a|b}{a|b}",), "The alternatives make 32 variants"),
        (("{a|b}", "--continuation", ""), "--continuation is empty."),
        (("{a|b}", "--json", "--csv", "words"), "--json and --csv can't be combined."),
        (("{a|b}", "--csv", "pairs"), "--csv pairs is for --pairs."),
        (("{a|b}", "-n", "-1"), "--num-sequences can't be -1."),
        (("{a|b}", "--top", "0"), "--top can't be 0."),
        (("{a|b}", "--parallel", "0"), "--parallel can't be 0."),
        (("{a|b}", "-s1", "--parallel", "300"), "300 sequences can't be evaluated together."),
        (("{a|b}", "--temperature", "0"), "With --temperature 0, all completions"),
        (("{a|b}", "--seed", "-1"), "--seed can't be -1."),
        (("{a|b}", "--html", "report.pdf"), "report.pdf must end in .html or .htm."),
        (("{a|b}", "--plot", "f.jpg"), "f.jpg must end in .svg, .pdf or .png."),
        (("{a|b}" + " word" * 200, "-s1"), "Variant A (a) has "),
        (
            ("--continuations", "-"),
            "Standard input can only be read once.",
        ),
        (("{a|b}", "--pairs", "-"), "A prompt and --pairs can't be combined."),
        (("--pairs", "-", "--top-k", "3"), "--top-k can't be combined with --pairs."),
        (("--pairs", "-", "--csv", "words"), "--csv words can't be combined with --pairs."),
    ],
)
def test_what_can_t_be(
    env: dict[str, str], tiny: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("probe", "-m", str(tiny), *options, env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert result.stderr.decode().startswith(f"Error: {message}")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b'{"more": "a", "less": "b"}\n{"more": 3\n', ("--pairs",), "Line 2 is not JSON: "),
        (b'{"more": "a", "less": "b\xff"}', ("--pairs",), "Line 1 is not UTF-8 text"),
        (b"\n \n", ("--pairs",), "{path} has no pairs."),
        (b" a\n\n b", ("{a|b}", "--continuations"), "Line 2 of {path} is empty."),
    ],
)
def test_files_that_can_t_be(
    env: dict[str, str], tmp_path: Path, content: bytes, options: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    result = run("probe", "-m", "demo", *options, str(path), env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert result.stderr.decode().startswith("Error: " + message.replace("{path}", str(path)))
    missing = run("probe", "-m", "demo", *options, str(path) + "x", env=env)
    assert missing.returncode == ExitStatus.FAILED
    assert f"Can't read {path}x: No such file or directory." in missing.stderr.decode()


def test_help_warns(env: dict[str, str]) -> None:
    assert WARNING in run("probe", "--help", env=env).stdout.decode()
