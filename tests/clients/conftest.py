"""What the tests of clients share: a server, and an environment in which they stay offline."""

from pathlib import Path

import pytest

from tests.serve.conftest import server as server
from tests.support.run import environment

LLM_PLUGINS = {"LLM_LOAD_PLUGINS": "distilgpt2-cli"}  # and not those of other packages here
_NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing answers there


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a client: a new home, and a proxy that reaches only this machine."""
    return environment(
        tmp_path / "home",
        LLM_USER_PATH=str(tmp_path / "llm"),
        **LLM_PLUGINS,
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        HTTP_PROXY=_NOWHERE,
        HTTPS_PROXY=_NOWHERE,
        NO_PROXY="127.0.0.1",
    )
