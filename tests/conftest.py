"""Models and homes that the tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from distilgpt2_cli.models import demo
from tests.support.hub import Hub, serving
from tests.support.run import PATIENT_THREADS, environment
from tests.support.trained import trained_model

pytest_plugins = ["tests.support.examples_report"]

# A shell lets what it starts in the background ignore Ctrl-C, and nohup lets it ignore that the
# terminal goes away; so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ.update(PATIENT_THREADS)  # read when a test loads llama.cpp or imports NumPy
# Time limits are for what hangs: another program may take the processor at any moment.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of 2 layers, width 64 and 128 positions, with the first 5,000 tokens of GPT-2.

    llama.cpp takes longer to load the whole vocabulary than all else in most tests.
    """
    from tests.support import gguf

    shape = gguf.Shape(tokens=5001)
    return gguf.write(tmp_path_factory.mktemp("models") / "tiny.gguf", shape)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the real vocabulary, for what depends on it."""
    from tests.support import gguf

    return gguf.write(tmp_path_factory.mktemp("models") / "tiny-gpt2.gguf")


@pytest.fixture(scope="session")
def without_controls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has no tokens for spaces and for the control characters after line ends."""
    from tests.support import gguf

    return gguf.write(
        tmp_path_factory.mktemp("models") / "without-controls.gguf",
        gguf.Shape(tokens=200),
        without=("tokenizer.ggml.merges",),
        add=lambda writer: writer.add_token_merges(["a b"]),  # llama.cpp wants some
    )


@pytest.fixture(scope="session")
def bundled() -> Path:
    """A small model that writes English: the demo model, by its path."""
    return demo().path


@pytest.fixture(scope="session")
def trained() -> Path:
    """A model that writes English: SmolLM2-135M-Instruct, from the test extra."""
    return trained_model()


@pytest.fixture
def env(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a run in a new home without a network, with what a parameter adds."""
    return environment(tmp_path / "home", **getattr(request, "param", {}))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub on the loopback interface, empty, for runs in a new home."""
    with serving(tmp_path / "home") as hub:
        yield hub


_AGREEMENT = "agreement"


@pytest.fixture
def agree(
    record_property: Callable[[str, object], None],
) -> Callable[[str, float, float], None]:
    """Assert that a difference is within its bound, and have it printed after all tests.

    Properties travel with a test's report, also from the processes of pytest-xdist.
    """

    def check(what: str, difference: float, bound: float) -> None:
        record_property(_AGREEMENT, f"{what}: {difference:.2g} (bound {bound:g})")
        assert difference < bound, what

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was found to agree, and by how much."""
    lines = sorted(
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == _AGREEMENT
    )
    if lines:
        terminalreporter.section("agreement with the NumPy reference (relative differences)")
        for line in lines:
            terminalreporter.line(line)
