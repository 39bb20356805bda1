"""An environment for tests in which it does not matter what a model writes.

``from tests.support.quick_model import env as env``, and no command of the module needs a --model.
"""

from pathlib import Path

import pytest


@pytest.fixture
def env(env: dict[str, str], tiny: Path) -> dict[str, str]:
    """The environment of a run in a new home, with a model that is loaded in little time."""
    return {**env, "DISTIL_MODEL": str(tiny)}
