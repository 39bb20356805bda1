"""The clients of ``docs/serve.md`` as the page shows them, each in a process of its own."""

import subprocess
import sys

import pytest

from tests.support.examples import block
from tests.support.run import run
from tests.support.server import Server

PAGE = "docs/serve.md"
CLIENTS = {
    "openai": "from openai",
    "langchain_openai": "from langchain_openai",
    "litellm": "import litellm",
}


@pytest.mark.parametrize("package", CLIENTS)
def test_a_client_prints_what_generate_prints(
    env: dict[str, str], server: Server, package: str
) -> None:
    pytest.importorskip(package, reason=f"{package} is in the extra clients")
    script = block(PAGE, "python", CLIENTS[package]).replace("127.0.0.1:8000", server.url[7:])
    client = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True)
    assert client.returncode == 0, client.stderr.decode()
    options = ("-m", "demo", "-s", "42", "-t", "0.8", "--max-tokens", "40")
    text = run("generate", *options, "Once upon a time", env=env).stdout
    assert len(text) > 100
    assert client.stdout == text + b"160\n"
