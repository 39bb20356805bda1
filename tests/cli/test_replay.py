"""``distil replay``: records come out the same, and whatever is changed is told."""

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.processes import wait_for_work
from tests.support.run import TIMEOUT, run, started

LINES = b"One day\nThe cat\nTom said\nA dog\n"


def recorded(env: dict[str, str], *options: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    arguments = ("generate", "-m", "demo", "--json", "-s", "1", "--max-tokens", "16", *options)
    result = run(*arguments, env=env, stdin=stdin)
    assert result.returncode == ExitStatus.DONE
    return [json.loads(line) for line in result.stdout.splitlines()]


def replay(
    env: dict[str, str], records: list[dict[str, Any]], *options: str
) -> tuple[int, list[dict[str, Any]], str]:
    stdin = "".join(json.dumps(record) + "\n" for record in records).encode()
    result = run("replay", "--json", *options, "-", env=env, stdin=stdin)
    results = [json.loads(line) for line in result.stdout.splitlines()]
    return result.returncode, results, result.stderr.decode()


def test_records_of_every_kind(env: dict[str, str], tmp_path: Path, tiny: Path) -> None:
    records = recorded(env, "-n", "2", "Once upon a time")
    records += recorded(env, "--choices", " yes| no", "--logprobs", "2", "Is it?")
    records += recorded(env, "--lines", "-n", "2", "--parallel", "3", "--stop", ".", stdin=LINES)
    records += recorded(env, "-m", str(tiny), "--temperature", "0", "--repetition-penalty", "1.2")
    records += recorded(env, "--lines", "--parallel", "2", "--logprobs", "0", stdin=LINES)
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    result = run("replay", str(path), env=env)
    assert result.returncode == ExitStatus.DONE
    numbers = range(1, len(records) + 1)
    assert result.stdout.decode().splitlines() == [f"{number}: ok" for number in numbers]
    assert result.stderr.decode() == f"{len(records)} of {len(records)} records are the same.\n"
    path.write_text(json.dumps(records[0]))
    quiet = run("replay", "--quiet", str(path), env=env)
    assert (quiet.stdout, quiet.stderr) == (b"1: ok\n", b"")


def test_a_changed_byte(env: dict[str, str]) -> None:
    (record,) = recorded(env, "Once upon a time")
    text = record["text"]
    changed = record | {"text": text[:7] + "é" + text[8:]}
    status, (first, second), errors = replay(env, [record, changed])
    assert status == ExitStatus.FAILED
    assert (first["result"], first["difference"]) == ("ok", None)
    assert (second["record"], second["result"]) == (2, "differs")
    assert second["difference"] == {
        "field": "text",
        "offset": 7,
        "expected": "é" + text[8:27],
        "got": text[7:27],
    }
    assert second["changed"] == {}
    assert errors.startswith("Error: 1 of 2 records differ.")


def test_the_offset_is_in_bytes(env: dict[str, str], tmp_path: Path) -> None:
    grammar = tmp_path / "greek.gbnf"
    grammar.write_text('root ::= "αβγ" [a-z]')
    (record,) = recorded(env, "--grammar", str(grammar), "Letters: ")
    record["text"] = "αβδ" + record["text"][3:]
    _, (result,), _ = replay(env, [record])
    assert result["difference"]["offset"] == 5  # the second byte of the third letter


def test_another_model_file(env: dict[str, str], tiny: Path) -> None:
    (record,) = recorded(env, "Once upon a time")
    status, (result,), _ = replay(env, [record], "--model", str(tiny))
    assert status == ExitStatus.FAILED
    assert result["difference"]["field"] == "text"
    assert result["changed"]["sha256"]["recorded"] == record["model"]["sha256"]
    assert result["changed"]["sha256"]["now"] != record["model"]["sha256"]
    plain = run("replay", "-m", str(tiny), "-", env=env, stdin=json.dumps(record).encode())
    assert b"changed since: sha256 was " in plain.stdout


def test_changed_options_versions_and_cpu(env: dict[str, str]) -> None:
    (record,) = recorded(env, "Once upon a time")
    options = record | {"options": record["options"] | {"temperature": 0.1}}
    versions = {
        "versions": {**record["versions"], "llama_cpp": "0.0.1"},
        "cpu_features": "CPU : NEON = 1",
    }
    status, (first, second, third), _ = replay(
        env, [options, record | versions, options | versions]
    )
    assert status == ExitStatus.FAILED
    assert (first["result"], first["changed"]) == ("differs", {})
    assert (second["result"], set(second["changed"])) == ("ok", {"llama_cpp", "cpu_features"})
    assert (third["result"], third["changed"]) == ("differs", second["changed"])


def test_the_build_explains_a_difference(env: dict[str, str]) -> None:
    (record,) = recorded(env, "Once upon a time")
    record["text"] = "So" + record["text"]
    older = record["cpu_features"].replace("CPU : ", "CPU : OLDER = 1 | ").replace("REPACK", "NONE")
    lines = json.dumps(record | {"cpu_features": older}).encode()
    result = run("replay", "-", env=env, stdin=lines)
    assert result.stdout.endswith(b" processors, without OLDER, NONE with REPACK\n"), result.stdout


def test_flash_attention(env: dict[str, str]) -> None:
    """It is recorded, used again, and one possible cause of a difference."""
    options = ("--flash-attention", "--threads", "1", "--logprobs", "1", "Once upon a time")
    (record,) = recorded(env, *options)
    (plain,) = recorded(env, *options[1:])
    assert record["options"]["flash_attention"] is True
    assert plain["options"]["flash_attention"] is False
    assert record["logprobs"] != plain["logprobs"]
    status, results, _ = replay(env, [record, plain], "--threads", "1")
    assert [each["result"] for each in results] == ["ok", "ok"]
    assert status == ExitStatus.DONE
    # In a batch it is always used; records of before have nothing of it.
    (batch,) = recorded(env, "--parallel", "2", "--logprobs", "1", "Once upon a time")
    assert batch["options"].pop("flash_attention") is True
    _, (result,), _ = replay(env, [batch], "--threads", "1")
    assert result["changed"]["flash_attention"] == {"recorded": False, "now": True}
    stdin = json.dumps(record | {"text": "else"}).encode()
    shown = run("replay", "-", env=env, stdin=stdin).stdout.decode()
    assert shown.endswith("; with --flash-attention, the text can depend on --threads\n")


def test_what_is_no_text(env: dict[str, str]) -> None:
    (record,) = recorded(env, "--logprobs", "1", "Once upon a time")
    reason = record | {"finish_reason": "eos"}
    count = record | {"tokens": {"prompt": 4, "completion": 15}}
    logprobs = json.loads(json.dumps(record))
    logprobs["logprobs"][3]["logprob"] -= 1e-9
    _, results, _ = replay(env, [reason, count, logprobs])
    found = [(each["difference"]["field"], each["difference"]["offset"]) for each in results]
    assert found == [("finish_reason", None), ("tokens", None), ("logprobs", 3)]


def test_a_batch_that_is_not_whole_is_told(env: dict[str, str]) -> None:
    records = recorded(env, "--lines", "--parallel", "2", stdin=LINES)
    _, results, _ = replay(env, records)
    assert {each["whole"] for each in results} == {True}
    _, results, _ = replay(env, [records[1], records[3]])
    assert {each["whole"] for each in results} == {False}


def test_an_interrupted_record(env: dict[str, str]) -> None:
    arguments = ("generate", "-m", "demo", "--json", "-s", "1", "-n", "3", "--parallel", "2")
    with started(*arguments, "--max-tokens", "-1", "--ignore-eos", "Hi", env=env) as process:
        wait_for_work(process.pid, 0.4)
        process.send_signal(signal.SIGINT)
        made, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == ExitStatus.INTERRUPTED
    records = [json.loads(line) for line in made.splitlines()]
    assert [record["finish_reason"] for record in records] == ["interrupted"] * 2
    status, results, _ = replay(env, records)
    assert (status, {each["result"] for each in results}) == (ExitStatus.DONE, {"ok"})
    records[0]["text"] = "x" + records[0]["text"]
    assert replay(env, records)[1][0]["difference"]["offset"] == 0


def test_records_whose_options_have_no_end(env: dict[str, str]) -> None:
    """One was interrupted before its first token; the other ended where it does not end now."""
    (record,) = recorded(env, "--max-tokens", "1", "Hi")
    record["options"] |= {"max_tokens": -1, "ignore_eos": True}
    nothing = {"text": "", "finish_reason": "interrupted", "tokens": {"prompt": 1, "completion": 0}}
    status, (first, second), _ = replay(env, [record | nothing, record])
    assert status == ExitStatus.FAILED
    assert (first["result"], second["result"]) == ("ok", "differs")
    assert second["difference"]["field"] == "text"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": None}, "'prompt' is missing or has the wrong type"),
        ({"seed": -1}, "seed can't be -1"),
        ({"finish_reason": "end"}, "'end' is not a finish reason"),
        ({"options": {}}, "'parallel'"),
        ({"options": {"parallel": 1}}, "'max_tokens' is missing"),
        ({"tokens": {}}, "its number of tokens is missing"),
        ({"model": {}}, "the name of its model is missing"),
        ({"logprobs": [3]}, "'logprobs' are not valid"),
    ],
)
def test_a_line_that_is_no_record(
    env: dict[str, str], tiny: Path, change: dict[str, object], message: str
) -> None:
    (record,) = recorded(env, "-m", str(tiny), "--max-tokens", "1", "Hi")
    status, results, errors = replay(env, [record, record | change])
    assert status == ExitStatus.USAGE
    assert len(results) <= 1
    assert errors.startswith("Error: Line 2 is not a record of a completion: ")
    assert message in errors


def test_options_that_can_t_be(env: dict[str, str], tiny: Path) -> None:
    (record,) = recorded(env, "-m", str(tiny), "--max-tokens", "1", "Hi")
    for change, message in (
        ({"temperature": "1"}, "'temperature' can't be '1'"),
        ({"temperature": -3.0}, "temperature can't be -3.0"),
        ({"temperature": 10**400}, "temperature can't be 1000"),
        ({"min_p": math.nan}, "min_p can't be nan"),
        ({"grammar": "root"}, "Line 1 of the grammar"),
        ({"mirostat": 3}, "mirostat can't be 3"),
        ({"mirostat": True}, "'mirostat' can't be True"),
        ({"ban": "a"}, "'ban' is not a list of texts"),
        ({"logit_bias": [3]}, "'logit_bias' is not a list of tokens with biases"),
        ({"logit_bias": [[3, "x"]]}, "'logit_bias' is not a list of tokens with biases"),
        ({"of_later": 2}, "no option 'of_later'"),
    ):
        changed = record | {"options": record["options"] | change}
        status, results, errors = replay(env, [changed])
        assert (status, results) == (ExitStatus.USAGE, [])
        assert errors.startswith("Error: Line 1 is not a record")
        assert message in errors


def test_no_records_and_no_model(env: dict[str, str], tiny: Path) -> None:
    assert replay(env, [])[::2] == (
        ExitStatus.USAGE,
        "Error: Standard input has no records. Use the output of `distil generate --json`.\n",
    )
    result = run("replay", "/no/such/file", env=env)
    assert result.returncode == ExitStatus.USAGE
    result = run("replay", "-", env=env, stdin=b"not JSON\n")
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    (record,) = recorded(env, "-m", str(tiny), "--max-tokens", "1", "Hi")
    hub = {"name": "distilgpt2.Q2_K.gguf", "repository": "QuantFactory/distilgpt2-GGUF"}
    hub |= {"revision": "b41ee4e4e4949dba1b3bed4f89a87198b82f851b", "path": "/no/such/file"}
    status, _, errors = replay(env, [record | {"model": hub}])
    assert status == ExitStatus.MODEL_UNAVAILABLE
    assert "Run `distil download --quant Q2_K" in errors
