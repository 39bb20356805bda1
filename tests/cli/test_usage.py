"""Command lines that can't be parsed, or that are not quite right: two sentences that help."""

import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from distilgpt2_cli.cli.app import every_command, load_command
from tests.support import forked
from tests.support.emulator import emulated
from tests.support.forked import Run
from tests.support.hub import Hub
from tests.support.run import run
from tests.support.stock import CONTENT

ROOT = Path(__file__).parents[2]
TEXT = "Once upon a time"

# By command line: what is said after "Error: ".
SAID: dict[tuple[str, ...], str] = {
    ("gen", "Hi"): "distil has no command gen. Did you mean `distil generate`?",
    ("ls",): "distil has no command ls. Did you mean `distil models`?",
    ("list",): "distil has no command list. Did you mean `distil models`?",
    ("rm", "Q2_K"): "distil has no command rm. Did you mean `distil remove`?",
    ("pull",): "distil has no command pull. Did you mean `distil download`?",
    ("version",): "distil has no command version. Did you mean `distil --version`?",
    ("tokenzie",): "distil has no command tokenzie. Did you mean `distil tokenize`?",
    ("xyz",): "distil has no command xyz. Run `distil help`.",
    ("",): "distil has no command ''. Run `distil help`.",
    ("help", "xyz"): "distil has no command xyz. Run `distil help`.",
    (TEXT,): "distil needs the name of a command before a text. To continue a text, run"
    f' `distil generate "{TEXT}"`.',
    (*TEXT.split(), "--seed", "1"): "distil needs the name of a command before a text. To continue"
    f' a text, run `distil generate "{TEXT}"`.',
    ('Pay $5 "now"',): "distil needs the name of a command before a text. To continue a text, run"
    " `distil generate 'Pay $5 \"now\"'`.",
    ("generate", *TEXT.split()): "distil generate takes one prompt, and got several. Put the prompt"
    f' in quotes, as in `distil generate "{TEXT}"`.',
    ("score", "-m", "demo", "The", "cat"): "distil score takes one text, and got several. Put the"
    ' text in quotes, as in `distil score "The cat"`.',
    ("models", "x"): "distil models can't take the argument x. Run `distil models --help` for its"
    " options.",
    ("doctor", "--model", "demo"): "distil doctor has no option --model. Run `distil doctor --help`"
    " for its options.",
    ("generate", "--version"): "distil generate has no option --version. Run `distil --version`.",
    ("generate", "--tempature", "2"): "distil generate has no option --tempature. Did you mean"
    " --temperature?",
    ("generate", "--max", "2"): "distil generate has no option --max. Did you mean --max-tokens?",
    ("--seed", "1"): "distil has no option --seed. Write the options of a command after its name.",
    ("map", "scroe"): "distil map has no command scroe. Did you mean `distil map score`?",
    ("map", "gen"): "distil map has no command gen. Did you mean `distil map generate`?",
    ("map", "texts.txt"): "distil map has no command texts.txt. Run `distil map --help`.",
    ("map", "ls"): "distil map has no command ls. Run `distil map --help`.",
    ("map", "--model", "demo", "score"): "distil map has no option --model. Write the options of a"
    " command after its name.",
    ("map", "score", "--ouput", "x", "a"): "distil map score has no option --ouput. Did you mean"
    " --output?",
    ("map", "score", "a", "-o"): "-o needs a value. Write it as in -o DIR.",
    ("map", "score", "a"): "distil map score needs --output. Run `distil map score --help` for"
    " examples.",
    ("map", "score", "-o", "x"): "distil map score needs INPUT. Run `distil map score --help` for"
    " examples.",
    ("map", "score", "-o", "x", "a", "--format", "tsv"): "--format can't be 'tsv'. Use one of text,"
    " jsonl, csv, parquet.",
    ("help", "map", "xyz"): "distil map has no command xyz. Run `distil map --help`.",
    ("help", "score", "map"): "distil score has no command map. Run `distil score --help`.",
    ("--verison",): "distil has no option --verison. Did you mean --version?",
    ("generate", "--model"): "--model needs a value. Write it as in --model PATH.",
    ("generate", "Hi", "-q"): "-q needs a value. Write it as in -q NAME.",
    ("score", "--lines=3"): "--lines doesn't take a value. Write --lines alone.",
    ("generate", "--lines=3"): "--lines can't be '3'. Use one of text, json.",
    ("generate", "--seed", "x"): "--seed can't be 'x'. Use a whole number.",
    ("generate", "--top-p", "x"): "--top-p can't be 'x'. Use a number.",
    ("perplexity",): "distil perplexity needs FILE. Run `distil perplexity --help` for examples.",
    ("download", "Q4"): "There is no quantization 'Q4' of DistilGPT2. Use one of Q4_0, Q4_1,"
    " Q4_K_S, Q4_K_M.",
    ("download", "-q", "q4km"): "There is no quantization 'q4km' of DistilGPT2. Use Q4_K_M.",
    ("remove", "Q2_K", "-q", "Q8_0"): "The arguments name Q2_K, and --quant Q8_0. Leave out"
    " --quant, and name all of them as arguments.",
    ("verify", "Q2_K", "--all"): "QUANT and --all can't be combined. Use one of them.",
}
UNAVAILABLE: dict[tuple[str, ...], str] = {
    ("generate", "--model", "Demo", "Hi"): "There is no model file Demo. Use --model demo for the"
    " bundled model.",
    ("generate", "-m", "q2_k", "Hi"): "There is no model file q2_k. Use --quant q2_k for this"
    " quantization of DistilGPT2.",
}


def test_what_is_wrong_and_what_to_do(env: dict[str, str], tmp_path: Path) -> None:
    wanted = [(case, said, 2) for case, said in SAID.items()]
    wanted += [(case, said, 3) for case, said in UNAVAILABLE.items()]
    runs = [Run(case) for case, _, _ in wanted]
    for (_, said, status), result in zip(wanted, forked.run_all(runs, env, tmp_path), strict=True):
        assert (result.status, result.output) == (status, "")
        assert result.errors == f"Error: {said}\n"


def test_every_command_explains_an_unknown_option(env: dict[str, str], tmp_path: Path) -> None:
    """In two sentences, without an option that is not meant."""
    every = list(every_command())
    runs = [Run((*names, "--zzz")) for names in every]
    for names, result in zip(every, forked.run_all(runs, env, tmp_path), strict=True):
        path = " ".join(("distil", *names))
        remedy = (
            "Write the options of a command after its name."
            if hasattr(load_command(*names), "commands")
            else f"Run `{path} --help` for its options."
        )
        assert result.status == 2
        assert result.errors == f"Error: {path} has no option --zzz. {remedy}\n"


def test_help_is_on_standard_output_when_asked_for(env: dict[str, str], tmp_path: Path) -> None:
    asked = (("help",), ("--help",), ("-h",), ("help", "score"), ("score", "--help"))
    results = forked.run_all([Run(each) for each in asked], env, tmp_path)
    assert {(result.status, result.errors) for result in results} == {(0, "")}
    whole, *same, of_score, same_of_score = [result.output for result in results]
    assert set(same) == {whole}
    assert of_score == same_of_score
    assert of_score.startswith("Usage: distil score ")


def test_the_version_has_a_short_option(env: dict[str, str]) -> None:
    results = [run(*each, env=env) for each in (("-V",), ("--version",), ("-V", "generate"))]
    assert {(result.returncode, result.stderr) for result in results} == {(0, b"")}
    assert len({result.stdout for result in results}) == 1


def test_quantizations_as_arguments(hub: Hub) -> None:
    """As with --quant; both are possible if they say the same."""
    repository = "some/models"
    hub.add(repository, {f"m.{name}.gguf": CONTENT for name in ("Q2_K", "Q8_0")})
    repo = ("--repo", repository)
    downloaded = run("download", *repo, "q2_k", "Q8_0", env=hub.environment())
    assert downloaded.returncode == 0, downloaded.stderr
    assert downloaded.stdout.count(b".gguf\n") == 2
    verified = run("verify", *repo, "Q8_0", "-q", "q8_0", env=hub.environment())
    assert verified.stdout.startswith(b"Q8_0: intact: ")
    removed = run("remove", *repo, "q2_k", "--yes", env=hub.environment())
    assert (removed.returncode, removed.stdout.count(b"\n")) == (0, 1)
    assert run("verify", *repo, "q2_k", env=hub.environment()).returncode == 3


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("generate -m de", ["demo"]),
        ("generate --model models/", ["models/one.gguf", "models/two.GGUF"]),
        ("generate -m models/t", ["models/two.GGUF"]),
        ("generate -m ~/m", ["~/mine.gguf"]),
        ("generate -m mod", []),
        ("download q8", ["q8_0"]),
        ("remove Q5_K", ["Q5_K_S", "Q5_K_M"]),
        ("help to", ["tokenize"]),
        ("help map s", ["score"]),
        ("help score s", []),
        ("map ", ["generate", "score", "features"]),
        ("map f", ["features"]),
        ("map features --po", ["--pool"]),
        ("map score -o scores -m de", ["demo"]),
        ("map score models/o", []),
        ("map score x --format p", ["parquet"]),
    ],
)
def test_the_shell_completes(
    env: dict[str, str], tmp_path: Path, words: str, completed: list[str]
) -> None:
    """Where nothing is offered, the shell completes names of files and folders itself."""
    home = Path(env["HOME"])
    for path in (
        *(tmp_path / "models" / name for name in ("one.gguf", "two.GGUF", "notes.txt")),
        home / "mine.gguf",
    ):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    asked = {
        "_DISTIL_COMPLETE": "complete_bash",
        "COMP_WORDS": f"distil {words}",
        "COMP_CWORD": str(words.count(" ") + 1),
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-m", "distilgpt2_cli"], env={**env, **asked}, cwd=tmp_path, stdout=-1
    )
    assert result.stdout.decode().split() == completed


def test_the_manual_page_has_every_command_and_option() -> None:
    page = (ROOT / "docs" / "distil.1").read_text()
    for names in every_command():
        _, found, part = page.partition(f".SS distil {' '.join(names)} ")
        assert found
        part = part.partition(".SS ")[0].replace("\\-", "-")
        options = [option for each in load_command(*names).params for option in each.opts]
        assert all(option in part for option in options if option.startswith("-")), names
    if shutil.which("groff"):
        command = ["groff", "-man", "-ww", "-Tutf8", str(ROOT / "docs" / "distil.1")]
        result = subprocess.run(command, capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
        shown = re.sub(r"\x1b\[\d*m|.\x08", "", result.stdout)
        assert "--max-tokens N" in shown
        assert 'distil next "The capital of France is"' in shown


def test_the_manual_page_is_installed(tmp_path: Path) -> None:
    """Hatchling builds the wheel itself: pip would download it for that."""
    script = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    built = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=-1, check=True)
    wheel = built.stdout.decode().split()[-1]
    venv.create(tmp_path / "env", symlinks=True, with_pip=False)
    python = str(tmp_path / "env" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(tmp_path / wheel)], check=True, capture_output=True)
    installed = tmp_path / "env" / "share" / "man" / "man1" / "distil.1"
    assert installed.read_bytes() == (ROOT / "docs" / "distil.1").read_bytes()


def test_an_error_of_the_parser_on_a_terminal(env: dict[str, str]) -> None:
    with emulated("generate", "Once", "upon", env=env) as on:
        assert on.screen.wait() == 2
    assert b"Put the prompt in quotes" in b" ".join(on.screen.output.split())
