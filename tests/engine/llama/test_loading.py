"""A model that is loaded early is the one that is used, and a wrong one is not."""

import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.engine.llama.loading import load, load_early
from distilgpt2_cli.errors import ModelDamagedError


def test_it_is_loaded_once(tiny_gpt2: Path) -> None:
    script = (
        "import sys\n"
        "from distilgpt2_cli.engine.llama import bindings\n"
        "from distilgpt2_cli.engine.llama.loading import load, load_early\n"
        "loads = []\n"
        "real = bindings.lib.llama_model_load_from_file\n"
        "bindings.lib.llama_model_load_from_file = lambda *a: loads.append(a[0]) or real(*a)\n"
        "load_early(sys.argv[1])\n"
        "with load(sys.argv[1]) as model:\n"
        "    assert model.tokenize('Hello') == [15496], model.tokenize('Hello')\n"
        "assert len(loads) == 1, loads\n"
        "load(sys.argv[1]).close()\n"
        "assert len(loads) == 2, loads\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tiny_gpt2)], check=True)


def test_another_one_is_not_taken(tiny: Path, trained: Path) -> None:
    load_early(trained)
    with load(tiny) as model:
        assert model.window == 128


def test_a_damaged_one_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF" + b"\x03" * 100)
    load_early(path)
    with pytest.raises(ModelDamagedError, match=r"bad\.gguf"):
        load(path)


def test_where_no_further_thread_can_be_started(bundled: Path) -> None:
    """A new thread gets a stack as large as the limit, for which there is no room."""
    script = (
        "import sys\n"
        "from distilgpt2_cli.engine.llama.loading import load\n"
        "load(sys.argv[1]).close()\n"
    )
    limit = ["sh", "-c", 'ulimit -s 2000000 && ulimit -v 1000000 && exec "$@"', "sh"]
    subprocess.run([*limit, sys.executable, "-c", script, str(bundled)], check=True)
