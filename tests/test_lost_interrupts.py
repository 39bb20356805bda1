"""A signal that comes where Python ignores exceptions ends the run all the same."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time, weakref
from distilgpt2_cli import signals

signals.install_handlers()

def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # where the handler gets its turn
        pass

class Deleted:
    def __del__(self):
        interrupted()

class Finalized:
    def __init__(self):
        weakref.finalize(self, interrupted)

def free_the_lock_of_a_module():
    bootstrap = sys.modules["_frozen_importlib"]
    lock = bootstrap._get_module_lock("a_module")
    acquire = bootstrap._imp.acquire_lock

    def acquire_interrupted():  # what the callback of its weak reference calls
        bootstrap._imp.acquire_lock = acquire
        acquire()
        interrupted()

    bootstrap._imp.acquire_lock = acquire_interrupted
    del lock

try:
    {what}
    for _ in range(500):
        time.sleep(0.01)
    print("lost")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("what", ["Deleted()", "Finalized()", "free_the_lock_of_a_module()"])
def test_it_is_not_lost(what: str) -> None:
    command = [sys.executable, "-c", SCRIPT.replace("{what}", what)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("interrupted\n", "")
