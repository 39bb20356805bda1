"""Ctrl-C and SIGTERM at any moment: in order, soon, and without a trace on the terminal.

How soon is measured by ``make fuzz``.
"""

import signal
import subprocess
import sys

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.hub import FOR_EVER, Fault, Hub
from tests.support.processes import wait_until_asleep
from tests.support.run import DISTIL, TIMEOUT, run, terminal
from tests.support.stock import MAIN, arrived_below, files_below, stock, wait_until_arrived

CURSOR_HIDDEN = b"\x1b[?25l"


def test_signals_in_every_phase() -> None:
    """A part of ``make fuzz``; see there."""
    command = [DISTIL[0], "-m", "tests.fuzz.interrupts", "1", "12345"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout
    assert "\nsignals survived: " in result.stdout


@pytest.mark.parametrize("keys", [b"\x03", b"\x03\x03"])
def test_ctrl_c_while_the_bar_is_drawn_leaves_the_terminal_as_it_was(hub: Hub, keys: bytes) -> None:
    stock(hub).fail(Fault(stall_at=500_000, stall_seconds=FOR_EVER))
    with terminal(*MAIN, env=hub.environment()) as screen:
        before = screen.attributes()
        screen.wait_for("━".encode())
        wait_until_arrived(hub.cache, 500_000)
        screen.type(keys)
        assert screen.wait() in (ExitStatus.INTERRUPTED, -signal.SIGINT)
        assert screen.attributes() == before
    assert CURSOR_HIDDEN not in screen.output
    assert b"Traceback" not in screen.output
    assert len(arrived_below(hub.cache)) == 1


def test_a_notice_does_not_run_into_the_bar(hub: Hub) -> None:
    stock(hub).fail(Fault(stall_at=500_000, stall_seconds=FOR_EVER, times=1))
    env = hub.environment(NO_COLOR="1", HF_HUB_DOWNLOAD_TIMEOUT="300")
    with terminal(*MAIN, env=env) as screen:
        screen.wait_for(f"\r\x1b[2KNo data from {hub.address}".encode())
        hub.go_on()
        assert screen.wait() == 0


def test_ctrl_c_at_a_question(hub: Hub) -> None:
    assert run(*MAIN, env=stock(hub).environment()).returncode == 0
    arguments = ("remove", "--revision", "main")
    with terminal(*arguments, env=hub.environment(), columns=200) as screen:
        screen.wait_for(b"[y/N] ")
        screen.type(b"\x03")
        assert screen.wait() == ExitStatus.INTERRUPTED
    assert len(files_below(hub.cache)) == 2


def test_a_signal_while_llama_cpp_calls_python_is_not_lost() -> None:
    """What a handler raises in a callback would be printed by ctypes, and the run would go on."""
    script = """if True:
        import signal, sys
        from distilgpt2_cli import signals
        from distilgpt2_cli.engine.llama import interrupts, log

        def profile(frame, event, argument):
            if event == "call" and frame.f_code.co_name == "_keep":
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

        signals.install_handlers()
        sys.setprofile(profile)
        try:
            log._callback(2, b"a word", None)
            print("the callback has returned")
            with interrupts.held_back:
                print("llama.cpp goes on")
        except KeyboardInterrupt:
            print("interrupted")
    """
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "the callback has returned",
        "llama.cpp goes on",
        "interrupted",
    ]


def test_a_second_signal_ends_what_never_returns() -> None:
    """As a function of another language may, while there are results to be lost: a lock, here."""
    script = """if True:
        import ctypes
        from distilgpt2_cli import signals

        mutex = ctypes.create_string_buffer(256)
        lock = ctypes.CDLL(None).pthread_mutex_lock
        signals.install_handlers()
        with signals.results_pending():
            lock(mutex)
            print("waiting", flush=True)
            lock(mutex)
    """
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"waiting\n"
            wait_until_asleep(process.pid)
            process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 143
        finally:
            process.kill()
