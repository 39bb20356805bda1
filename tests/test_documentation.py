"""What the pages show is what the program prints: to the byte, or on another processor in shape."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.examples import (
    IS_DOCUMENTED_BUILD,
    ROOT,
    Example,
    block,
    check_bytes,
    check_filtered,
    check_shape,
    examples,
)
from tests.support.examples_report import BYTES, PROPERTY, SHAPE
from tests.support.run import run, with_distil
from tests.support.server import serving

# It names files of a model that would have to be made first.
EXAMPLES = [example for example in examples() if "smollm2." not in example.command]
JSON_EXAMPLES = [example for example in EXAMPLES if example.json_filter]
# Speeds, and figures with error bars.
NOT_REPEATABLE = "distil perplexity"
Record = Callable[[str, object], None]


def execute(command: str, env: dict[str, str], folder: Path) -> str:
    """Return what a command prints where it finds the pages' files; assert that its status is 0."""
    for name in ("docs", "LICENSE"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("texts.txt", "prompts.txt"):
        (folder / name).write_text("Once upon a time\nThe end\n")
    result = (
        run(*arguments, env=env, folder=folder)
        if (arguments := lone_arguments(command))
        else subprocess.run(
            ["/bin/sh", "-c", command],
            env=with_distil(env, folder),
            cwd=folder,
            capture_output=True,
        )
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.decode()


def lone_arguments(command: str) -> list[str]:
    """Return the arguments of distil if a shell would do nothing but run it; else none."""
    tokens = shlex.shlex(command, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    program, *arguments = tokens
    has_operators = any(set(each) <= set(tokens.punctuation_chars) for each in arguments)
    is_alone = program == "distil" and not has_operators and not set(command) & set("$`*~\\\n")
    return arguments if is_alone else []


def check(example: Example, env: dict[str, str], folder: Path, *, golden: bool) -> str:
    """Run an example, check what it prints, and return how."""
    if example.json_filter and not shutil.which("jq", path=env["PATH"]):
        check_filtered(example.json_filter, execute(example.command_before_jq, env, folder))
        return SHAPE
    output = execute(example.command, env, folder)
    check_shape(example, output)
    if NOT_REPEATABLE in example.command or (example.is_computed and not golden):
        return SHAPE
    check_bytes(example, output)
    return BYTES if example.is_whole else SHAPE


def test_all_pages_are_looked_at() -> None:
    assert len(EXAMPLES) > 30
    assert {example.page for example in EXAMPLES} >= {
        *("README.md", "docs/constrained.md", "docs/inspect.md", "docs/probe.md"),
        *("docs/replay.md", "docs/write.md"),
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.command[:60])
def test_an_example(
    env: dict[str, str], tmp_path: Path, example: Example, record_property: Record
) -> None:
    record_property(PROPERTY, check(example, env, tmp_path, golden=IS_DOCUMENTED_BUILD))


@pytest.mark.parametrize("example", JSON_EXAMPLES, ids=lambda example: example.command[:60])
def test_an_example_without_jq(env: dict[str, str], tmp_path: Path, example: Example) -> None:
    assert check(example, {**env, "PATH": ""}, tmp_path, golden=True) == SHAPE


@pytest.mark.parametrize(
    ("page", "beginning"),
    [("docs/replay.md", "distil generate"), ("docs/inspect.md", "distil features")],
)
def test_commands_whose_output_is_not_shown(
    env: dict[str, str], tmp_path: Path, page: str, beginning: str
) -> None:
    execute(f"set -e\n{block(page, 'sh', beginning)}", {**env, "DISTIL_MODEL": "demo"}, tmp_path)


def test_the_requests_to_a_server(
    env: dict[str, str], tmp_path: Path, record_property: Record
) -> None:
    page = "docs/serve.md"
    script = tmp_path / "client.py"
    with serving("--model", "demo", env=env) as server:
        here = str(server.port)
        script.write_text(block(page, "python", "from openai").replace("8000", here))
        command = f"{sys.executable} {script}"
        client = Example(page, command, block(page, "text", ", in a cozy").rstrip("\n"))
        output = execute(command, env, tmp_path)
        fields = re.search(r"-d '(.*?)'", block(page, "sh", "curl"), re.DOTALL)
        assert fields
        answer = server.complete(**json.loads(fields[1])).json
    shown = json.loads(block(page, "json", "{"))
    check_shape(replace(client, output=json.dumps(shown)), json.dumps(answer))
    *_, width = output.splitlines()
    assert width == client.output.splitlines()[-1]
    if IS_DOCUMENTED_BUILD:
        assert answer["choices"] == shown["choices"]
        check_bytes(client, output)
    record_property(PROPERTY, BYTES if IS_DOCUMENTED_BUILD else SHAPE)


# What follows shows that the checks can fail, on whatever processor.


def check_all(example: Example, output: str) -> None:
    check_shape(example, output)
    if not example.is_computed:
        check_bytes(example, output)


def without_first_part(output: str) -> str:
    """Return an output without its first completion, line, or what there is of it."""
    return re.sub(r"\A(?:[^\n]+\n\n|[^\n]*\n?)", "", output)


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.output], ids=lambda example: example.command[:60]
)
def test_a_missing_part_is_found(example: Example) -> None:
    check_all(example, example.output.replace("…", "something"))
    with pytest.raises(AssertionError):
        check_all(example, without_first_part(example.output))


def test_another_key_or_type_is_found() -> None:
    example = Example("", "distil score --json", '{"text": "a", "figures": [1.5, {"bits": 2}]}')
    check_shape(example, '{"text": "b", "figures": [3, 4, {"bits": 0.1}]}')
    for wrong in (
        '{"texts": "a", "figures": [1.5, {"bits": 2}]}',
        '{"text": null, "figures": [1.5, {"bits": 2}]}',
        '{"text": "a", "figures": [1.5, {"bit": 2}]}',
        '{"text": "a", "figures": [1.5, {"bits": 2}]} {}',
        "text",
    ):
        with pytest.raises(AssertionError):
            check_shape(example, wrong)


def test_another_heading_column_or_word_is_found() -> None:
    table = 'SHARE  TOKEN\n 1.5%  " a"\n\nOf 2 tokens.'
    example = Example("", "distil next", table)
    check_shape(example, 'SHARE  TOKEN\n-12.5%  " bc"\n\nOf 31 tokens.')
    for wrong in (
        table.replace("SHARE", "PART"),
        table.replace("1.5%", "nan%"),
        table.replace("1.5%", "1.5%  3"),
        table.replace("tokens", "words"),
    ):
        with pytest.raises(AssertionError):
            check_shape(example, wrong)


def test_a_text_that_is_none_of_the_choices_is_found() -> None:
    example = Example("", "distil generate --lines --choices ' a| b' Hi", " a")
    check_shape(example, " b")
    with pytest.raises(AssertionError):
        check_shape(example, " c")


def test_another_figure_is_found_where_it_is_not_computed() -> None:
    example = Example("", "distil tokenize --count", "31")
    check_shape(example, "32")
    with pytest.raises(AssertionError):
        check_bytes(example, "32")


def test_a_key_that_a_filter_needs_is_missed() -> None:
    check_filtered("{text, seed}", '{"text": "a", "seed": 1}\n')
    for filter_, output in (("{text, seed}", '{"text": "a"}'), (".perplexity", "{}"), (".a", "")):
        with pytest.raises(AssertionError):
            check_filtered(filter_, output)


@pytest.mark.parametrize("golden", [True, False])
def test_a_command_that_fails_is_found(env: dict[str, str], tmp_path: Path, golden: bool) -> None:
    example = Example("", "distil generate --model nowhere.gguf Hi", "")
    with pytest.raises(AssertionError):
        check(example, env, tmp_path, golden=golden)
