"""``distil generate`` with --grammar, --json-schema and --choices."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
PROMPT = "A boy: "


def generate(env: dict[str, str], *options: str, stdin: bytes = b"") -> bytes:
    arguments = ("generate", "-m", "demo", "--seed", "3", *options)
    result = run(*arguments, env=env, stdin=stdin)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout


@pytest.fixture
def schema(tmp_path: Path) -> str:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return str(path)


def records(env: dict[str, str], *options: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in generate(env, "--json", *options, stdin=stdin).splitlines()
    ]


def test_json_of_a_schema_and_the_same_as_single_runs(env: dict[str, str], schema: str) -> None:
    made = records(env, "--json-schema", schema, "-n", "2", PROMPT)
    for number, record in enumerate(made):
        jsonschema.validate(json.loads(record["text"]), SCHEMA)
        assert record["finish_reason"] == "stop"
        assert record["options"]["grammar"].startswith("age-kv ::= ")
        single = generate(env, "--json-schema", schema, "-s", str(3 + number), PROMPT)
        assert single.decode() == record["text"] + "\n"


def test_lines_at_once_with_logprobs(env: dict[str, str], schema: str) -> None:
    options = ("--json-schema", schema, "--lines", "--parallel", "2")
    observed = records(env, *options, "--logprobs", "2", stdin=b"A boy: \nA girl: \nA dog: \n")
    plain = records(env, *options, stdin=b"A boy: \nA girl: \nA dog: \n")
    assert [each["text"] for each in observed] == [each["text"] for each in plain]
    for record in observed:
        jsonschema.validate(json.loads(record["text"]), SCHEMA)
        spelled = b"".join(bytes(token["bytes"]) for token in record["logprobs"])
        assert spelled.decode() == record["text"]
        assert all(token["sampled_logprob"] <= 0 for token in record["logprobs"])


@pytest.mark.parametrize("temperature", ["0", "1"])
def test_choices(env: dict[str, str], temperature: str) -> None:
    choices = ' yes| no|"\\\\é'
    options = ("--choices", choices, "--temperature", temperature, "-n", "4", "--lines")
    lines = generate(env, *options, stdin=b"Is it?\nOr not?\n").decode().splitlines()
    assert len(lines) == 8
    assert set(lines) <= {" yes", " no", '"\\é'}


def test_a_stop_sequence_ends_it_inside(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "letters.gbnf"
    path.write_text('root ::= [a-c]{4} "stop" [a-c]+')
    (record,) = records(env, "--grammar", str(path), "--stop", "stop", PROMPT)
    assert (len(record["text"]), record["finish_reason"]) == (4, "stop")


def test_max_tokens_reached_inside_is_told(env: dict[str, str], schema: str) -> None:
    arguments = ("generate", "-m", "demo", "-s", "3", "--json", "--json-schema", schema)
    result = run(*arguments, "--max-tokens", "4", PROMPT, env=env)
    assert result.returncode == ExitStatus.DONE
    assert json.loads(result.stdout)["finish_reason"] == "length"
    assert result.stderr.decode() == (
        "The text of seed 3 is incomplete: it reached --max-tokens 4 before the end of its"
        " grammar.\n"
    )


@pytest.mark.parametrize(
    ("options", "content", "message"),
    [
        (("--grammar", "FILE"), 'root ::= "a"\n\nx ::= y', "Line 3 of the grammar"),
        (("--grammar", "FILE"), "\nroot ::= \udc80", "the byte at offset 10 (0x80) is not valid"),
        (("--grammar", "FILE"), "#" * 2**20 + "\n", "is larger than 1048576 bytes"),
        (("--grammar", "/no/such/file"), "", "No such file or directory"),
        (("--json-schema", "FILE"), "{", "is not JSON: "),
        (("--json-schema", "FILE"), '{"type": "integer", "minimum": 3}', "uses 'minimum'"),
        (("--choices", "a||b"), "", "has an empty choice"),
        (("--choices", "a", "--grammar", "FILE"), "", "--grammar and --choices can't be"),
    ],
)
def test_what_can_t_be(
    env: dict[str, str],
    tiny: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    content: str,
    message: str,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content.encode(errors="surrogateescape"))
    named = (str(path) if option == "FILE" else option for option in options)
    result = run("generate", "-m", str(tiny), *named, "a", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert message in result.stderr.decode()
    assert result.stderr.count(b"\n") == 1
