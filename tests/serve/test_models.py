"""The names of the model: its file's, and those that --alias adds."""

from collections.abc import Iterator

import openai
import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import environment, run
from tests.support.server import Server, serving

ALIASES = ("gpt-3.5-turbo-instruct", "Zoë/wrote it")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the bundled model under several names, of which some are repeated."""
    env = environment(tmp_path_factory.mktemp("home"))
    options = [f"--alias={name}" for name in (*ALIASES, "demo", ALIASES[0])]
    with serving("--model", "demo", *options, env=env) as server:
        yield server


def test_every_name_is_listed_once_and_the_own_one_first(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["demo", *ALIASES]
    for name in ("demo", *ALIASES):
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError, match="has only the model demo"):
        client.models.retrieve("davinci-002")


@pytest.mark.parametrize("name", ["demo", *ALIASES])
def test_a_request_can_give_any_name(server: Server, name: str) -> None:
    answer = server.complete(model=name, max_tokens=1)
    assert (answer.status, answer.json["model"]) == (200, "demo")
    body = f'{{"model": "{name}", "input": "Once"}}'.encode()
    assert server.request("POST", "/v1/embeddings", body).status == 200


def test_other_names_are_refused(server: Server) -> None:
    for name in ("gpt-3.5", "", 3):
        answer = server.complete(model=name, max_tokens=1)
        assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")


def test_an_empty_alias(env: dict[str, str]) -> None:
    result = run("serve", "--model", "demo", "--alias", "", env=env)
    assert result.returncode == ExitStatus.USAGE
    assert result.stderr == b"Error: --alias is empty. Give it a name.\n"
