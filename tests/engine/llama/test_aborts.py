"""Where llama.cpp gives up, a sentence and a status, and no crash: ggml itself is made to abort."""

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import ctypes, sys
from distilgpt2_cli.engine.llama import aborts, log
aborts.report_aborts(lambda error: print(error, flush=True))
from distilgpt2_cli.engine.llama.bindings import call
aborts.install()
log.start()
log._callback(4, b"CUDA error: out of memory\\n", None)
call("ggml_abort", None, b"x.cpp", ctypes.c_int(1), b"%s", sys.argv[1].encode())
"""


@pytest.mark.parametrize(
    ("message", "status", "said"),
    [
        (
            "CUDA error",
            1,
            "llama.cpp gave up on the GPU: CUDA error: out of memory."
            " Use fewer layers there, or none.\n",
        ),
        (
            "GGML_ASSERT(n > 0) failed",
            4,
            "llama.cpp gave up on the model: its check `n > 0` failed. Check that it is a whole"
            " GGUF file of a language model, or download it again.\n",
        ),
    ],
)
def test_what_ends_the_process(message: str, status: int, said: str) -> None:
    command = [sys.executable, "-c", _SCRIPT, message]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (status, said), result.stderr


_EXCEPTION = """
import sys
from distilgpt2_cli.engine import Model
from distilgpt2_cli.engine.llama import aborts
from distilgpt2_cli.engine.llama.bindings import lib
aborts.report_aborts(lambda error: print(error, flush=True))
model = Model(sys.argv[1])
lib.llama_vocab_get_text(model.vocabulary, 10**6)  # a std::out_of_range
"""


def test_an_exception_that_nobody_catches(bundled: Path) -> None:
    command = [sys.executable, "-c", _EXCEPTION, str(bundled)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (
        1,
        "llama.cpp ended with std::out_of_range. Report it as a bug of distil, with the command"
        " and the model.\n",
    ), result.stderr
