"""What the package says it has, and what importing it does."""

import subprocess
import sys
from importlib.resources import files

import pytest

import distilgpt2_cli.engine as engine

_NOTHING_STARTS = """
import pkgutil, threading
import distilgpt2_cli.engine as engine
from distilgpt2_cli.engine.llama.bindings import lib

called = []
for name in ("llama_backend_init", "llama_log_set", "ggml_backend_load_all"):
    setattr(lib, name, lambda *_, name=name: called.append(name))
for module in pkgutil.walk_packages(engine.__path__, engine.__name__ + "."):
    __import__(module.name)
assert not called, called
assert threading.active_count() == 1
"""


def test_every_public_name_is_there() -> None:
    for name in engine.__all__:
        assert getattr(engine, name) is not None
    assert "nothing" not in engine.__all__


def test_type_checkers_know_the_public_names() -> None:
    """An ignored error that is none is an error for mypy, which looks at this too."""
    number: str = engine.MAX_SEED  # type: ignore[assignment]
    assert number
    with pytest.raises(AttributeError):
        engine.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError):
        engine.check_seed("0")  # type: ignore[arg-type]
    assert files("distilgpt2_cli").joinpath("py.typed").is_file()


@pytest.mark.parametrize(
    "module", ["", ".options", ".records", ".llama", ".llama.placement", ".llama.threads"]
)
def test_what_needs_no_library_imports_none(module: str) -> None:
    script = (
        f"import sys, distilgpt2_cli.engine{module}\n"
        "found = {name.split('.')[0] for name in sys.modules}\n"
        "assert not found & {'numpy', 'llama_cpp'}, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_starts_nothing() -> None:
    subprocess.run([sys.executable, "-c", _NOTHING_STARTS], check=True)
