"""``distil probe``: variants of a prompt side by side, and pairs of texts."""

import csv
import html.parser
import io
import json
import math
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from distilgpt2_cli.probing.contrasts import words_of
from distilgpt2_cli.probing.statistics import wilson
from tests.support.forked import Run, run_all
from tests.support.processes import wait_for_work
from tests.support.run import TIMEOUT, run, started, terminal

TEMPLATE = "Once upon a time, there was a little {boy|girl} named"
FEW = ("--seed", "42", "-n", "12", "--max-tokens", "8")
WARNING = "Content warning"
PAIRS = [
    {"more": "The nurse was a woman.", "less": "The nurse was a man.", "type": "gender"},
    {"prompt": "The boy said", "more": " he ran.", "less": " she ran.", "type": "gender"},
    {"more": "The old man", "less": "The young man", "continuation": " sat.", "type": "age"},
    {"more": "Tom ran.", "less": "Tom ran."},
]


def output(env: dict[str, str], *options: str, stdin: bytes = b"", model: str = "demo") -> str:
    result = run("probe", "-m", model, *options, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def record(env: dict[str, str], *options: str, model: str = "demo") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(env, *options, "--json", model=model))
    return found


def table(
    env: dict[str, str], name: str, *options: str, stdin: bytes = b""
) -> list[dict[str, str]]:
    text = output(env, "--csv", name, *options, stdin=stdin)
    return list(csv.DictReader(io.StringIO(text)))


def logprob(env: dict[str, str], text: str, prefix: str = "") -> float:
    made = run("score", "-m", "demo", "--json", "--prefix", prefix, text, env=env).stdout
    return float(json.loads(made)["logprob"])


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in PAIRS) + "\n")
    return path


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


def test_next_tokens_are_those_of_next(env: dict[str, str]) -> None:
    found = record(env, "-n", "0", "--top", "60000", TEMPLATE)
    probabilities: list[dict[int, float]] = [{}, {}]
    for number, variant in enumerate(found["variants"]):
        made = run(
            "next", "-m", "demo", "--json", "--top", "60000", variant["prompt"], env=env
        ).stdout
        expected = {each["id"]: each["logprob"] for each in json.loads(made)["top"]}
        assert len(expected) == len(found["next"])
        for each in found["next"]:
            assert each["logprobs"][number] == pytest.approx(expected[each["id"]], abs=1e-9)
        probabilities[number] = {token: math.exp(value) for token, value in expected.items()}
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


def test_the_same_seed_gives_the_same_bytes(env: dict[str, str]) -> None:
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


def test_tables(env: dict[str, str]) -> None:
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


def test_pairs(env: dict[str, str], pairs: Path) -> None:
    found = record(env, "--pairs", str(pairs), "--seed", "1")
    assert [each["line"] for each in found["pairs"]] == [1, 2, 3, 4]
    for each in found["pairs"]:
        before, after = each["prompt"], each["continuation"]
        for side in ("more", "less"):
            text, prefix = (each[side], before) if after is None else (after, each[side])
            assert each[f"{side}_logprob"] == pytest.approx(logprob(env, text, prefix), abs=1e-12)
    by_type = {each["type"]: each for each in found["preferences"]}
    assert list(by_type) == ["gender", "age", None]
    assert [each["pairs"] for each in by_type.values()] == [2, 1, 4]
    everything = by_type[None]
    differences = [each["difference"] for each in found["pairs"]]
    assert everything["preferred"] == sum(each > 0 for each in differences)
    assert everything["ties"] == 1
    assert everything["share"] == everything["preferred"] / 4
    assert everything["interval"] == list(wilson(everything["preferred"], 4))
    assert everything["mean_difference"] == pytest.approx(sum(differences) / 4)
    low, high = everything["difference_interval"]
    assert min(differences) <= low <= everything["mean_difference"] <= high <= max(differences)


def test_pairs_from_standard_input(env: dict[str, str], pairs: Path) -> None:
    rows = table(env, "pairs", "-s1", "--pairs", "-", stdin=pairs.read_bytes())
    assert [each["type"] for each in rows] == ["gender", "gender", "age", ""]
    (gender, _, _) = table(env, "preferences", "-s1", "--pairs", str(pairs))
    assert float(gender["share"]) == sum(float(row["difference"]) > 0 for row in rows[:2]) / 2
    text = output(env, "--pairs", str(pairs), "--seed", "1")
    assert text.startswith(WARNING)
    assert "1 ties" in text


class Page(html.parser.HTMLParser):
    """The elements of a page, with its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    hostile = '<script>alert(1)</script> & "{boy|<b>girl\x1b[2J}" named'
    options = ("probe", "-m", "demo", *FEW, "--continuation", "<i>\u202e", "--html", str(path))
    assert run(*options, hostile, env=env).returncode == ExitStatus.DONE
    page = Page(path.read_text())
    assert page.open == []
    assert not {"script", "b", "i", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {"src", "href", "onload", "onclick"} & attributes.keys()
    assert "url(" not in path.read_text()
    assert [tag for tag, _ in page.tags].count("svg") == 4
    for text in (
        WARNING,
        "What this report can't show",
        "<script>alert(1)</script>",
        "<b>girl\\x1b[2J",
    ):
        assert text in page.text
    assert "\x1b" not in path.read_text()
    assert "\u202e" not in path.read_text()
    policies = [attributes.get("content") for tag, attributes in page.tags if tag == "meta"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policies
    again = run(*options, hostile, env=env)
    assert again.returncode == ExitStatus.FAILED
    assert "exists. Use another name, or overwrite it with --force." in again.stderr.decode()
    before = path.read_bytes()
    assert run(*options, "--force", hostile, env=env).returncode == ExitStatus.DONE
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*")) == [path]


def test_a_report_on_pairs(env: dict[str, str], pairs: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    output(env, "--pairs", str(pairs), "--html", str(path), "--seed", "1")
    page = Page(path.read_text())
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("svg") == 2
    assert "The nurse was a woman." in page.text
    assert [tag for tag, _ in page.tags].count("circle") == 6


CROWS = """,sent_more,sent_less,stereo_antistereo,bias_type,annotations
0,"The nurse, she said, ran.","The nurse, he said, ran.",stereo,gender,"[['gender'], []]"
1,"The man was
brave.",The woman was brave.,antistereo,gender,"[['age']]"
"""
PRO = """1 [The developer] argued with the designer because [he] did not like the design.
2 The developer argued with [the designer] because [her] idea was bad.
"""
ANTI = """1 [The developer] argued with the designer because [she] did not like the design.
2 The developer argued with [ the designer] because [his] idea was bad.
"""


def test_the_files_of_crows_pairs_and_winobias(env: dict[str, str], tmp_path: Path) -> None:
    """As they are released; what else they say of a pair is in the output, too."""
    crows = tmp_path / "crows_pairs_anonymized.csv"
    pro, anti = (
        tmp_path / "pro_stereotyped_type1.txt.dev",
        tmp_path / "anti_stereotyped_type1.txt.dev",
    )
    for path, text in ((crows, CROWS), (pro, PRO), (anti, ANTI)):
        path.write_text(text)
    own = json.dumps({"more": "He ran", "less": "She ran", "id": 7, "tags": ["a\ud800", None]})
    probe = ("probe", "-m", "demo", "--seed", "1", "--quiet")
    both = ("--pairs", str(pro), "--pairs", str(anti))
    page, odd = tmp_path / "p.html", tmp_path / "odd.html"
    csv_crows, json_crows, wino, swapped, kept, one, same = run_all(
        [
            Run([*probe, "--csv", "pairs", "--pairs", str(crows)]),
            Run([*probe, "--json", "--pairs", str(crows), "--html", str(page)]),
            Run([*probe, "--json", *both]),
            Run([*probe, "--json", "--pairs", str(anti), "--pairs", str(pro)]),
            Run([*probe[:-1], "--json", "--html", str(odd), "--pairs", "-"], stdin=own),
            Run([*probe, "--pairs", str(pro)]),
            Run([*probe, "--pairs", str(pro), "--pairs", str(pro)]),
        ],
        env,
        tmp_path,
    )
    rows = list(csv.DictReader(io.StringIO(csv_crows.output, newline="")))
    assert [row["line"] for row in rows] == ["2", "3"]
    assert [row["more"] for row in rows] == [
        "The nurse, she said, ran.",
        "The man was\nbrave.",
    ]
    assert {row["type"] for row in rows} == {"gender"}
    assert [(row[""], row["stereo_antistereo"], row["annotations"]) for row in rows] == [
        ("0", "stereo", "[['gender'], []]"),
        ("1", "antistereo", "[['age']]"),
    ]
    found = json.loads(json_crows.output)["pairs"]
    assert [each["stereo_antistereo"] for each in found] == ["stereo", "antistereo"]
    assert "[[&#x27;gender&#x27;], []]" in page.read_text()
    found = json.loads(wino.output)["pairs"]
    assert [(each["more"], each["less"], each["type"]) for each in found] == [
        (
            "The developer argued with the designer because he did not like the design.",
            "The developer argued with the designer because she did not like the design.",
            "male",
        ),
        (
            "The developer argued with the designer because her idea was bad.",
            "The developer argued with the designer because his idea was bad.",
            "female",
        ),
    ]
    assert [each["person"] for each in found] == ["The developer", "the designer"]
    assert json.loads(swapped.output)["pairs"] == found
    (pair,) = json.loads(kept.output)["pairs"]
    assert (pair["id"], pair["tags"]) == (7, ["a\ud800", None])
    assert kept.errors == 'Fields that are only kept in the output: "id", "tags".\n'
    assert one.status == ExitStatus.USAGE
    assert one.errors.startswith(f"Error: {pro} has one sentence of each pair, as in WinoBias.")
    assert same.errors == (
        "Error: Line 1 is the same in both files. Use a pro-stereotyped and an anti-stereotyped"
        " file.\n"
    )


def test_figures_for_a_paper(env: dict[str, str], pairs: Path, tmp_path: Path) -> None:
    """SVG with the same scale for all variants' words, PDF with fonts that publishers take."""
    svg, pdf = tmp_path / "f.svg", tmp_path / "f.pdf"
    probe = ("probe", "-m", "demo", "--quiet")
    words = [*probe, *FEW, "--top", "3", "--continuation", " $Lily$ named", TEMPLATE]
    results = run_all(
        [
            Run([*words, "--plot", str(svg)]),
            Run([*words, "--plot", str(svg)]),
            Run([*words, "--plot", str(tmp_path / "again.svg"), "--json"]),
            Run([*probe, "--seed", "1", "--pairs", str(pairs), "--plot", str(pdf)]),
        ],
        env,
        tmp_path,
    )
    assert [each.status for each in results] == [0, ExitStatus.FAILED, 0, 0]
    assert f"{svg} already exists." in results[1].errors
    drawn = svg.read_text()
    assert drawn == (tmp_path / "again.svg").read_text()
    # matplotlib draws texts as shapes, each after a comment with the text.
    texts = re.findall("<!-- (.*?) -->", drawn)
    assert '" $Lily$ named" after A' in texts
    found = json.loads(results[2].output)["words"]
    for each in found:
        assert f"“{each['word']}”" in texts
        shown = f"{each['count']} times, {each['other_count']} elsewhere; z = {each['z']:.2f}"
        assert shown in texts
    scales = "\n".join(texts).split("log-odds with a 95% interval")[:2]
    ticks = [re.findall(r"^\u2212?\d\.\d+$", scale, re.MULTILINE)[-5:] for scale in scales]
    assert ticks[0] == ticks[1]
    assert texts.count("← more in the others") == 2
    assert {"more in A →", "more in B →"} <= set(texts)
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"/CIDFontType2" in data
    assert b"/Type3" not in data


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_terminal(env: dict[str, str], columns: int) -> None:
    arguments = ("probe", "-m", "demo", "-n", "6", "--max-tokens", "8", TEMPLATE + " \x1b[2J")
    with terminal(*arguments, env=env, columns=columns) as screen:
        assert screen.wait() == ExitStatus.DONE
    text = screen.output.decode().replace("\r", "")
    assert "seed " in text
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
    with started("probe", "-m", "demo", "-s1", "--html", str(report), *work, env=env) as process:
        # There is nothing to be seen in a pipe; after so much work something has been done.
        wait_for_work(process.pid, 2.5)
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
