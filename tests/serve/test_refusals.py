"""Requests and options that are refused, and the errors."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.gguf_copy import copy_with_text
from tests.support.run import environment, run
from tests.support.server import JSON, Server, serving

COMPLETIONS = "/v1/completions"


def refused(server: Server, body: bytes, path: str = COMPLETIONS) -> tuple[int, Any]:
    answer = server.request("POST", path, body)
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return answer.status, error


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": 5}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ["a", [1, "b"]]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": [10**9]}, "prompt"),
        ({"prompt": ["x"] * 129}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"prompt": "word " * 600}, "prompt"),
        ({"max_tokens": 3001}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": 1e-9}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"top_p": 10**400}, "top_p"),
        ({"min_p": -(10**400)}, "min_p"),
        ({"repetition_penalty": 10**400}, "repetition_penalty"),
        ({"presence_penalty": 1e999}, "presence_penalty"),
        ({"frequency_penalty": -1e999}, "frequency_penalty"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"seed": -2}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 1e999}, "seed"),
        ({"max_tokens": 1e300}, "max_tokens"),
        ({"prompt": [1.5]}, "prompt"),
        ({"seed": 2**32 - 1}, "seed"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a"] * 129}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"logprobs": 21}, "logprobs"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options"),
        ({"stream_options": []}, "stream_options"),
        ({"store": True}, "store"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"tools": [{}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"best_of": 3, "stream": True}, "best_of"),
        ({"best_of": 3, "max_tokens": 0, "echo": True}, "best_of"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"logit_bias": [[1]]}, "logit_bias"),
        ({"logit_bias": 3}, "logit_bias"),
        ({"mirostat": 3}, "mirostat"),
        ({"mirostat": 1.5}, "mirostat"),
        ({"typical_p": 2}, "typical_p"),
        ({"dry_sequence_breakers": [""]}, "dry_sequence_breakers"),
        ({"ban": [""]}, "ban"),
        ({"num_beams": 65}, "num_beams"),
        ({"num_beams": 2, "n": 3}, "n"),
        ({"num_beams": 2, "logprobs": 1}, "num_beams"),
        ({"num_beams": 2, "best_of": 2}, "num_beams"),
        ({"num_beams": 2, "choices": ["a"]}, "num_beams"),
        ({"early_stopping": 1}, "early_stopping"),
        ({"grammar": "root ::= x"}, "grammar"),
        ({"grammar": 5}, "grammar"),
        ({"json_schema": {"type": "nothing"}}, "json_schema"),
        (
            {"choices": "", "grammar": 'root ::= "a"', "json_schema": {"type": "null"}},
            "json_schema",
        ),
        ({"choices": [""]}, "choices"),
    ],
)
def test_a_wrong_field(server: Server, fields: dict[str, Any], param: str) -> None:
    status, error = refused(server, json.dumps(fields).encode())
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param


def test_more_tokens_than_the_server_allows(server: Server) -> None:
    _, error = refused(server, b'{"max_tokens": 4096}')
    assert "from 0 to 3000" in error["message"]
    assert "--max-tokens" in error["message"]


def test_a_wrong_model(server: Server) -> None:
    status, error = refused(server, b'{"model": "gpt-4"}')
    assert (status, error["code"]) == (404, "model_not_found")
    for message in (error["message"], server.get("/v1/models/gpt-4").json["error"]["message"]):
        assert message.startswith("This server has only the model demo, not gpt-4. ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"1", b"[" * 100_000])
def test_a_body_that_is_not_json(server: Server, body: bytes) -> None:
    status, error = refused(server, body)
    assert (status, error["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": []},
        {"input": "a", "dimensions": 3},
        {"input": "a", "encoding_format": "x"},
        {"input": "word " * 600},
    ],
)
def test_wrong_embeddings(server: Server, fields: dict[str, Any]) -> None:
    assert refused(server, json.dumps(fields).encode(), "/v1/embeddings")[0] == 400


def test_a_body_of_another_type_or_too_large(server: Server) -> None:
    """The first is all that a page of another site can make a browser send without asking."""
    answer = server.request("POST", COMPLETIONS, b"{}", {"Content-Type": "text/plain"})
    assert answer.status == 415
    assert refused(server, b" " * (2**20 + 1))[0] == 413


def test_no_such_path_or_method(server: Server) -> None:
    assert server.get("/nope").status == 404
    assert server.get(COMPLETIONS).json["error"]["type"] == "invalid_request_error"
    assert server.get(COMPLETIONS).status == 405
    assert server.get(COMPLETIONS).json["error"]["message"].endswith(" Use POST.")


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/v1/chat/completions", '"prompt" to POST /v1/completions.'),
        ("/v1/responses", "POST /v1/completions."),
        ("/v1/images/generations", "POST /v1/completions."),
        ("/v1/audio/speech", "POST /v1/completions."),
        ("/v1/moderations", "moderation service"),
        ("/v1/assistants", "POST /v1/completions."),
        ("/v1/threads/t_1/runs", "POST /v1/completions."),
        ("/v1/files", '"prompt" can be a list.'),
        ("/v1/batches", "`distil batch FILE`"),
        ("/v1/fine_tuning/jobs", "`distil serve --model FILE`."),
        ("/v1/vector_stores", "POST /v1/embeddings"),
        ("/v1/engines/demo/completions", "POST /v1/completions."),
        ("/completions", "Use /v1/completions."),
        ("/chat/completions", "POST /v1/completions."),
        ("/v1/completion", "Use POST /v1/completions,"),
        ("/api/generate", "Use POST /v1/completions,"),
    ],
)
def test_what_is_not_here_says_what_to_use(server: Server, path: str, instead: str) -> None:
    status, error = refused(server, b'{"messages": []}', path)
    assert (status, error["code"], error["type"]) == (404, "unknown_url", "invalid_request_error")
    assert path in error["message"]
    assert instead in error["message"]
    assert server.get(path).json["error"]["message"] == error["message"]


def test_openais_client_shows_what_to_use(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.NotFoundError, match="POST /v1/completions"):
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_foreign_host(server: Server, host: str) -> None:
    answer = server.request("POST", COMPLETIONS, b"{}", {**JSON, "Host": host})
    assert answer.status == 403
    assert answer.json["error"]["code"] == "host_not_allowed"
    answer = server.request("GET", "/health", headers={"Host": "LOCALHOST:1"})
    assert answer.status == 200


def test_nothing_is_shared_with_other_sites(server: Server) -> None:
    answer = server.request("POST", COMPLETIONS, b"{}", {**JSON, "Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-stainless-lang",
}


def test_sites_that_may_use_the_server(env: dict[str, str]) -> None:
    """A page of an allowed site may ask and read, also errors; one of another site may not."""
    site, local = "https://app.example", "http://localhost:3000"
    options = ("--allow-origin", "HTTPS://App.Example:443", "--allow-origin", local)
    with serving("--model", "demo", *options, env={**env, "DISTIL_API_KEY": "k"}) as server:
        for origin in (site, local):
            answer = server.request("OPTIONS", COMPLETIONS, headers={"Origin": origin, **ASKED})
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert "x-stainless-lang" in answer.headers["access-control-allow-headers"]
            assert "access-control-allow-credentials" not in answer.headers
            asked = {**JSON, "Origin": origin, "Authorization": "Bearer k"}
            answer = server.request("POST", COMPLETIONS, b'{"max_tokens": 1}', asked)
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert "Origin" in answer.headers["vary"]
            answer = server.request("POST", COMPLETIONS, b"{}", {**JSON, "Origin": origin})
            assert answer.status == 401  # the key is still needed
            assert answer.headers["access-control-allow-origin"] == origin
        for origin in ("https://app.example.evil", "http://app.example", "null", "https://app"):
            answer = server.request("OPTIONS", COMPLETIONS, headers={"Origin": origin, **ASKED})
            assert answer.status == 400
            assert "access-control-allow-origin" not in answer.headers
            answer = server.request("GET", "/health", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
    with serving("--model", "demo", "--allow-origin", "*", env=env) as server:
        answer = server.request("GET", "/v1/models", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        foreign = {"Origin": "https://any.example", "Host": "rebound.example"}
        assert server.request("GET", "/v1/models", headers=foreign).status == 403
        assert "--allow-origin * lets every website use this server." in server.lines[0]


def test_an_api_key_and_its_absence_from_the_log(env: dict[str, str]) -> None:
    key = "correct-horse"
    env = {**env, "DISTIL_API_KEY": key}
    with serving("--model", "demo", env=env) as server:
        for path in ("/v1/models", "/metrics", COMPLETIONS):
            assert server.get(path).status == 401
        for given in ("Bearer wrong", "Bearer ", f"Basic {key}", "Bearer é", key):
            headers = {"Authorization": given.encode("latin-1").decode("latin-1")}
            answer = server.request("GET", "/v1/models", headers=headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        headers = {"Authorization": f"Bearer {key}", "Host": "any.example"}
        assert server.request("GET", "/v1/models", headers=headers).status == 200
        assert server.get("/health").status == server.get("/").status == 200
        assert server.request("GET", f"/v1/models?key={key}").status == 401
        server.end()
        assert len(server.lines) > 8
        assert key not in "\n".join(server.lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--host", "0.0.0.0"),
        ("--host", "0.0.0.0", "--api-key", ""),
        ("--host", "no such host", "--no-auth"),
        ("--no-auth", "--api-key", "k"),
        ("--port", "70000"),
        ("--queue", "-1"),
        ("--timeout", "0"),
        ("--parallel", "0"),
        ("--allow-origin", "null"),
        ("--allow-origin", ""),
        ("--allow-origin", "app.example"),
        ("--allow-origin", "https://app.example/"),
        ("--allow-origin", "https://*.example"),
    ],
)
def test_wrong_usage(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    result = run("serve", "--model", "demo", *arguments, env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert b"Traceback" not in result.stderr


def test_a_port_in_use(env: dict[str, str], server: Server) -> None:
    result = run("serve", "--model", "demo", "--port", str(server.port), env=env)
    assert result.returncode == ExitStatus.FAILED
    assert (
        f"Can't listen on 127.0.0.1 port {server.port}: Address already in use.".encode()
        in result.stderr
    )


def test_too_many_at_once(env: dict[str, str]) -> None:
    with serving("--model", "demo", "--parallel", "1", "--queue", "1", env=env) as server:
        with ThreadPoolExecutor(6) as pool:
            asked: dict[str, Any] = {"max_tokens": 200, "ignore_eos": True}
            answers = list(pool.map(lambda _: server.complete(**asked), range(6)))
        refusals = [answer for answer in answers if answer.status == 429]
        assert len(refusals) >= 1
        assert [answer.status for answer in answers].count(200) >= 2
        assert all(answer.headers["retry-after"] == "1" for answer in refusals)
        assert server.complete(n=3).status == 400


def test_a_request_that_takes_too_long(env: dict[str, str]) -> None:
    with serving("--model", "demo", "--timeout", "0.05", env=env) as server:
        asked: dict[str, Any] = {"max_tokens": 2000, "ignore_eos": True}
        answer = server.complete(**asked)
        assert (answer.status, answer.json["error"]["code"]) == (504, "timeout")
        stream = server.complete(**asked, stream=True).body
        assert b'"code": "timeout"' in stream
        assert b"[DONE]" not in stream
        assert server.metric("distil_open") == 0


def test_without_the_extra(env: dict[str, str]) -> None:
    script = (
        "import sys\n"
        "sys.modules['uvicorn'] = None\n"
        "sys.argv = ['distil', 'serve', '--model', 'demo']\n"
        "from distilgpt2_cli.__main__ import main\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True)
    assert result.returncode == ExitStatus.FAILED
    assert b"-m pip install 'httptools<1,>=0.7' 'starlette<2,>=1' 'uvicorn<1,>=" in result.stderr


def test_a_text_that_llama_cpp_splits_by_recursion(tmp_path: Path, bundled: Path) -> None:
    path = copy_with_text(bundled, tmp_path / "bloom.gguf", "tokenizer.ggml.pre", "bloom")
    with serving("--model", str(path), env=environment(tmp_path / "home")) as server:
        status, error = refused(server, json.dumps({"prompt": "-" * 200_000}).encode())
        assert (status, error["code"]) == (400, "context_length_exceeded")
        assert server.complete(prompt="Hi", max_tokens=1).status == 200
