"""One server for the tests that leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.support.run import environment
from tests.support.server import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the bundled model."""
    env = environment(tmp_path_factory.mktemp("home"))
    with serving("--model", "demo", "--parallel", "4", "--max-tokens", "3000", env=env) as server:
        yield server
