"""Texts and paths in options: escapes, what is not UTF-8, and the home folder."""

import json
from pathlib import Path

from distilgpt2_cli.errors import ExitStatus
from tests.support.forked import Run, run_all
from tests.support.quick_model import env as env

THREAD = ("--threads", "1")
GENERATE = ("generate", *THREAD, "-s", "1", "--max-tokens", "4")
TEXT = "Once upon a time there was a little girl. She was happy and she had a dog.\n"


def test_escapes_in_options(env: dict[str, str], tmp_path: Path) -> None:
    def stop(*options: str) -> Run:
        return Run([*GENERATE, "--json", *options, "Hi"])

    made = run_all(
        [
            stop("--stop", r"\n", "--stop", r"a\tb\|c|d\\n"),
            stop("--stop", r"\n", "--no-escape"),
            stop("--choices", r"a\|b\\"),
            stop("--choices", "a\\|a\\", "--no-escape"),
            stop("--choices", "Dr. Smith|Dr. Smith", "--max-tokens", "40"),
        ],
        env,
        tmp_path,
    )
    records = [json.loads(each.output) for each in made]
    assert records[0]["options"]["stop"] == ["\n", "a\tb|c|d\\n"]
    assert records[1]["options"]["stop"] == [r"\n"]
    assert [each["text"] for each in records[2:]] == ["a|b\\", "a\\", "Dr. Smith"]


def test_texts_of_options_that_can_t_be(env: dict[str, str], tmp_path: Path) -> None:
    backslash = r"Write \\ for a backslash, or use --no-escape."
    expected = {
        ("--stop", r"a\d"): rf"Error: --stop has the unknown escape \d. {backslash}",
        ("--choices", "a|b\\"): f"Error: --choices has a single \\ at its end. {backslash}",
        ("--choices", r"a|\n|"): "Error: --choices has an empty choice. Use a single | between",
        (
            "--stop",
            "a\udcff",
        ): "Error: --stop is not UTF-8 text: the byte at offset 1 (0xff) is not",
        ("--choices", "\udce9"): "Error: --choices is not UTF-8 text: the byte at offset 0 (0xe9)",
    }
    runs = [Run([*GENERATE, *options, "Hi"]) for options in expected]
    runs.append(Run(["score", *THREAD, "--prefix", "a\udcff", "Hi"]))
    messages = [
        *expected.values(),
        "Error: --prefix is not UTF-8 text: the byte at offset 1 (0xff)",
    ]
    for message, result in zip(messages, run_all(runs, env, tmp_path), strict=True):
        assert result.status in (ExitStatus.FAILED, ExitStatus.USAGE)
        assert result.errors.startswith(message)
        assert result.errors.count("\n") == 1


def test_a_tilde_is_the_home_folder(env: dict[str, str], tmp_path: Path) -> None:
    """Where a shell leaves it, as after an equals sign."""
    home = Path(env["HOME"])
    home.mkdir()
    (home / "t.txt").write_text(TEXT)
    (home / "g.gbnf").write_text('root ::= "a"')
    (home / "s.json").write_text('{"const": "b"}')
    (home / "p.jsonl").write_text(json.dumps({"more": "He ran", "less": "She ran"}))
    runs = [
        Run([*GENERATE, "--grammar=~/g.gbnf", "Hi"]),
        Run([*GENERATE, "--json-schema=~/s.json", "Hi"]),
        Run(["features", *THREAD, "--output=~/x.npy", "Hi"]),
        Run(["probe", *THREAD, "-s", "1", "--pairs=~/p.jsonl", "--html=~/x.html"]),
        Run(["probe", *THREAD, "-n", "0", "--continuations=~/t.txt", "{a|b}"]),
        Run(["perplexity", *THREAD, "--quiet", "~/t.txt", "--plot=~/x.svg"]),
    ]
    for each, result in zip(runs, run_all(runs, env, tmp_path), strict=True):
        assert (result.status, result.errors) == (0, ""), each
    assert {"x.npy", "x.html", "x.svg"} <= {path.name for path in home.iterdir()}
    refused = run_all([Run(["replay", "~/none"]), Run(["write", "~/none"])], env, tmp_path)
    assert refused[0].errors.startswith(f"Error: Can't read {home}/none: ")
