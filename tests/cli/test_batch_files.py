"""``distil batch``: requests in OpenAI's format, and their results on standard output."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.errors import ExitStatus
from tests.support.batches import COMPLETIONS, EMBEDDINGS, as_lines, command, many, request, results
from tests.support.forked import Run, run_all
from tests.support.processes import fed_by_yes
from tests.support.run import DISTIL, TIMEOUT, run
from tests.support.server import serving


def bodies(output: bytes) -> list[Any]:
    return [each["response"]["body"] for each in results(output)]


def test_the_format(env: dict[str, str]) -> None:
    """The bodies are what OpenAI's client expects; the ids are unique."""
    stdin = as_lines([request("a", prompt="Once upon a time", model="demo"),
                      request("b", EMBEDDINGS, input="Hi")])  # fmt: skip
    made = run(*command("demo", "-"), env=env, stdin=stdin)
    assert (made.returncode, made.stderr) == (ExitStatus.DONE, b"")
    found = results(made.stdout)
    assert [(each["custom_id"], each["error"]) for each in found] == [("a", None), ("b", None)]
    assert [each["response"]["status_code"] for each in found] == [200, 200]
    ids = [each["id"] for each in found]
    assert [each["response"]["request_id"] for each in found] == ids
    assert len(set(ids)) == 2
    assert all(each.startswith("batch_req_") for each in ids)
    completion = openai.types.Completion.model_validate(bodies(made.stdout)[0], strict=True)
    assert (completion.model, completion.created) == ("demo", 0)
    assert completion.usage
    assert completion.usage.completion_tokens == 16
    vectors = openai.types.CreateEmbeddingResponse.model_validate(bodies(made.stdout)[1])
    assert len(vectors.data[0].embedding) == 160


def test_the_same_answers_as_the_server_s(env: dict[str, str]) -> None:
    requests = [
        request("1", prompt=["Once upon\na time", "A dog"], n=2, seed=5, max_tokens=20, logprobs=2),
        request("2", prompt="The cat", echo=True, logprobs=1, max_tokens=0, seed=2),
        request("3", prompt=[5, 6, 7], seed=1, stop=["e"], temperature=0.5, top_k=9),
        request("4", EMBEDDINGS, input=["Hi", "It was"]),
        request("5", prompt="Hi", top_p=2),
        request("6", prompt="word " * 600),
        request("7", EMBEDDINGS, input=""),
        request("8", prompt="Hi", stream_options={"include_usage": True}),
    ]
    made = run(*command("demo", "-"), env=env, stdin=as_lines(requests))
    with serving("--model", "demo", "--threads", "1", env=env) as server:
        for each, result in zip(requests, results(made.stdout), strict=True):
            body = dict(each["body"])
            if each["url"] == COMPLETIONS:
                body["deterministic"] = True
            answer = server.request("POST", each["url"], json.dumps(body).encode())
            assert answer.status == result["response"]["status_code"]
            expected, found = answer.json, result["response"]["body"]
            for record in (expected, found):
                record.pop("id", None)
                record.pop("created", None)
            assert found == expected


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_the_same_bytes_every_time(env: dict[str, str], tiny: Path, parallel: str) -> None:
    """In the order of the file, whatever the threads, the workers and the way of the input."""
    requests = many(40)
    stdin = as_lines(requests)
    base = command(tiny, "--parallel", parallel)
    made = run(*base, "--workers", "1", "-", env=env, stdin=stdin)
    assert made.returncode == ExitStatus.FAILED
    assert [each["custom_id"] for each in results(made.stdout)] == [
        each["custom_id"] for each in requests
    ]
    again = run(*command(tiny, "--parallel", parallel, threads=2), "-", env=env, stdin=stdin)
    assert again.stdout == made.stdout
    shared = run(*base, "--workers", "3", "/dev/stdin", env=env, stdin=stdin)
    assert (shared.returncode, shared.stdout, shared.stderr) == (
        made.returncode,
        made.stdout,
        made.stderr,
    )


def test_a_line_depends_on_nothing_but_itself(env: dict[str, str], tiny: Path) -> None:
    requests = many(12)
    whole = bodies(run(*command(tiny, "-"), env=env, stdin=as_lines(requests)).stdout)
    turned = bodies(run(*command(tiny, "-"), env=env, stdin=as_lines(requests[::-1])).stdout)
    for body in (*whole, *turned):
        body.pop("id", None)
    assert turned[::-1] == whole


def test_a_seed_that_is_not_given_is_shown_and_repeats_the_text(
    env: dict[str, str], tiny: Path
) -> None:
    stdin = as_lines([request("a", prompt="Hi"), request("b", prompt="Hi", seed=-1)])
    texts = [each["choices"][0] for each in bodies(run(*command(tiny, "-"), env=env,
                                                       stdin=stdin).stdout)]  # fmt: skip
    assert texts[0]["seed"] != texts[1]["seed"]
    named = [request(str(i), prompt="Hi", seed=each["seed"]) for i, each in enumerate(texts)]
    again = bodies(run(*command(tiny, "-"), env=env, stdin=as_lines(named)).stdout)
    assert [each["choices"][0] for each in again] == texts


FAULTS: dict[bytes, tuple[str | None, str]] = {
    b"nonsense": (None, "invalid_json_line"),
    b'"a string"': (None, "invalid_json_line"),
    b'{"custom_id": "\xff"}': (None, "invalid_json_line"),
    b"[" * 100_000: (None, "invalid_json_line"),
    b"{}": (None, "missing_required_parameter"),
    b'{"custom_id": 5}': (None, "invalid_type"),
    b'{"custom_id": "fine"}': ("fine", "duplicate_custom_id"),
    b'{"custom_id": "1"}': ("1", "missing_required_parameter"),
    b'{"custom_id": "2", "method": "GET"}': ("2", "invalid_method"),
    b'{"custom_id": "3", "method": "POST", "url": "/v1/chat/completions"}': ("3", "invalid_url"),
    b'{"custom_id": "4", "method": "POST", "url": "/v1/completions"}': (
        "4",
        "missing_required_parameter",
    ),
    b'{"custom_id": "5", "method": "POST", "url": "/v1/completions", "body": []}': (
        "5",
        "invalid_type",
    ),
    b'{"custom_id": "6", "method": "POST", "url": "/v1/completions", "body": {}, "x": 1}': (
        "6",
        "unknown_parameter",
    ),
    b'{"custom_id": "' + b"x" * 2**21 + b'"}': (None, "line_too_long"),
}


@pytest.mark.parametrize("parallel", ["1", "3"])
def test_lines_that_are_no_requests(env: dict[str, str], tiny: Path, parallel: str) -> None:
    first, last = (json.dumps(request(each, prompt="Hi")).encode() for each in ("fine", "last"))
    stdin = b"\n".join([b"\xef\xbb\xbf" + first + b"\r", b"", *FAULTS, b"  ", last])
    made = run(*command(tiny, "--parallel", parallel, "-"), env=env, stdin=stdin)
    assert made.returncode == ExitStatus.FAILED
    assert made.stderr.decode().splitlines() == [
        "2 empty lines were skipped.",
        f"Error: {len(FAULTS)} of {len(FAULTS) + 2} requests failed. Their results have the reason,"
        " as error or in the body of the response.",
    ]
    good, *bad, end = results(made.stdout)
    assert (good["custom_id"], end["custom_id"]) == ("fine", "last")
    assert good["response"]["status_code"] == end["response"]["status_code"] == 200
    found = [(each["custom_id"], each["error"]["code"]) for each in bad]
    assert found == list(FAULTS.values())
    assert all(each["response"] is None and each["error"]["message"] for each in bad)
    assert len({each["id"] for each in (good, *bad, end)}) == len(FAULTS) + 2


def test_bodies_that_are_refused(env: dict[str, str], tiny: Path) -> None:
    refused: list[tuple[dict[str, Any], int]] = [
        ({"stream": True}, 400),
        ({"model": "gpt-4"}, 404),
        ({"temprature": 1}, 400),
        ({"max_tokens": 2**31}, 400),
        ({"prompt": "\ud800"}, 400),
        ({"seed": 2**32}, 400),
    ]
    stdin = as_lines([request(str(i), **body) for i, (body, _) in enumerate(refused)])
    made = run(*command(tiny, "-"), env=env, stdin=stdin)
    assert made.returncode == ExitStatus.FAILED
    for (body, status), result in zip(refused, results(made.stdout), strict=True):
        assert result["error"] is None
        assert result["response"]["status_code"] == status, body
        error = result["response"]["body"]["error"]
        assert [error["param"]] == list(body)
        assert "server" not in error["message"]


@pytest.mark.parametrize("parallel", ["1", "2"])
def test_a_request_that_the_model_can_t_answer(
    env: dict[str, str], without_controls: Path, parallel: str
) -> None:
    """It fails alone, and what is computed together with it is the same every time."""
    requests = [request(str(i), prompt=f"Day{i}", max_tokens=1 + i % 3) for i in range(4)]
    requests[2]["body"]["grammar"] = 'root ::= "\\x1f"'
    base = command(without_controls, "--parallel", parallel, "-")
    made = run(*base, env=env, stdin=as_lines(requests))
    assert made.returncode == ExitStatus.FAILED
    statuses = [each["response"]["status_code"] for each in results(made.stdout)]
    assert statuses == [200, 200, 500, 200]
    message = bodies(made.stdout)[2]["error"]["message"]
    assert "no token of the model spells" in message
    assert run(*base, env=env, stdin=as_lines(requests)).stdout == made.stdout


def test_a_single_token_after_a_scored_prompt(env: dict[str, str]) -> None:
    """It is drawn as in `distil generate`, also where the server has it from the scores."""
    asked: dict[str, Any] = {"prompt": "Once upon a time", "seed": 3, "max_tokens": 1}
    stdin = as_lines([request("a", **asked), request("b", **asked, echo=True, logprobs=1)])
    plain, scored = (each["choices"][0] for each in bodies(run(*command("demo", "-"), env=env,
                                                               stdin=stdin).stdout))  # fmt: skip
    assert scored["text"] == asked["prompt"] + plain["text"]
    assert len(scored["logprobs"]["tokens"]) == 5


def test_embeddings_are_the_features(env: dict[str, str], tiny: Path) -> None:
    stdin = as_lines([request("a", EMBEDDINGS, input=["It was\nraining", "Hi"])])
    (body,) = bodies(run(*command(tiny, "-"), env=env, stdin=stdin).stdout)
    for each, text in zip(body["data"], (b"It was\nraining", b"Hi"), strict=True):
        features = run("features", "-m", str(tiny), "--pool", "mean", env=env, stdin=text).stdout
        expected = np.array(features.split(), np.float32)
        assert np.array_equal(np.array(each["embedding"], np.float32), expected)


# Standard output.


def test_output_that_has_no_room(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(as_lines(many(8)))
    (full,) = run_all([Run(command(tiny, str(source)), stdout="/dev/full")], env, tmp_path)
    assert full.status == ExitStatus.FAILED
    assert full.errors.startswith("Error: Standard output can't be written: No space left")
    output = tmp_path / "out.jsonl"
    shell = 'ulimit -f 1; PYTHONDONTWRITEBYTECODE=1 exec "$@"'
    arguments = command(tiny, "--output", str(output), "--resume", str(source))
    limited = subprocess.run(
        ["bash", "-c", shell, "bash", *DISTIL, *arguments], env=env, capture_output=True
    )
    assert limited.returncode == ExitStatus.FAILED
    assert b"can't be written: File too large." in limited.stderr
    assert output.stat().st_size == 1024
    run(*arguments, env=env)
    assert output.read_bytes() == run(*command(tiny, str(source)), env=env).stdout


def test_a_reader_that_stops_ends_the_work(env: dict[str, str], tiny: Path) -> None:
    """The lines, of which each but the first repeats a custom_id, never end; the run does."""
    with fed_by_yes([*DISTIL, *command(tiny, "-")], env) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE


def test_memory_does_not_grow_with_the_lines(tiny: Path, tmp_path: Path) -> None:
    peaks = []
    for count in (1000, 7000):
        source = tmp_path / f"{count}.jsonl"
        source.write_bytes(as_lines([request(str(i), prompt="Hi", max_tokens=1)
                                     for i in range(count)]))  # fmt: skip
        options = ("--parallel", "8", "--workers", "1", "--output", f"{source}.out")
        peaks.append(run_process([*DISTIL, *command(tiny, *options, str(source))]).peak_bytes)
    assert 20e6 < peaks[0] < 500e6
    assert peaks[1] - peaks[0] < 6000 * 700  # a hash of each custom_id, and no request or result
