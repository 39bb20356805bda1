"""Where ``distil`` runs: environment variables, proxies, certificates, folders and limits.

Nothing of it is in the way of commands that need it not, and each is named by those that do.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from distilgpt2_cli.models import demo
from distilgpt2_cli.models.catalog import REPOSITORY
from tests.support import forked
from tests.support.extent import ALL_CASES, cases
from tests.support.forked import Run
from tests.support.hub import Hub
from tests.support.modes import bound_by_modes, mode
from tests.support.run import run
from tests.support.stock import MAIN, stock

DOWNLOAD = ("download", "--quant", "Q2_K")
GENERATE = ("generate", "-m", "demo", "--seed", "1", "--max-tokens", "2", "Hi")
DEAD = "http://127.0.0.1:9"
DEAD_HUB = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": DEAD}

# By variable: values that can't be, and what the sentence says besides the variable.
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("HF_HUB_ETAG_TIMEOUT", "2.5", "can't be '2.5'. Use a whole number of seconds"),
    ("HF_HUB_ETAG_TIMEOUT", "9" * 400, "Use a whole number of seconds"),
    ("HF_HUB_DOWNLOAD_TIMEOUT", "30s", "can't be '30s'. Use a whole number of seconds"),
    ("HF_HUB_DOWNLOAD_TIMEOUT", "-5", "can't be '-5'"),
    ("HF_HUB_OFFLINE", "maybe", "can't be 'maybe'. Use 1 or 0"),
    ("TRANSFORMERS_OFFLINE", "2", "can't be '2'"),
    ("HF_HUB_DISABLE_XET", "?", "can't be '?'"),
    ("HF_HUB_VERBOSITY", "loud", "can't be 'loud'"),
    ("HF_ENDPOINT", "hf-mirror.com", "Set it to https://hf-mirror.com"),
    ("HF_ENDPOINT", "ada:lovelace@hf-mirror.com", "Set it to https://hf-mirror.com"),
    ("HF_ENDPOINT", "https://", "is not the address of a Hub"),
    ("HF_ENDPOINT", "http://[::1", "is not the address of a Hub"),
    ("HF_ENDPOINT", "ftp://127.0.0.1", "is not the address of a Hub"),
    ("HF_ENDPOINT", "http://127.0.0.1:99999", "is not the address of a Hub"),
    ("HF_HOME", "/dev/null", "is not a folder"),
    ("HF_HUB_CACHE", "/dev/null", "is not a folder"),
    ("ALL_PROXY", "socks4://ada:lovelace@127.0.0.1:9", "Use http://, https://, socks5://"),
    ("HTTPS_PROXY", "http://ada:lovelace", "is not the address of a proxy"),
    ("https_proxy", "http://", "is not the address of a proxy"),
    ("HTTP_PROXY", "http://127.0.0.1:lovelace", "is not the address of a proxy"),
    ("SSL_CERT_FILE", "/nowhere.pem", "names /nowhere.pem, which can't be read: No such file"),
    ("SSL_CERT_FILE", "/dev/null", "which has no certificate"),
    ("SSL_CERT_FILE", "/", "which can't be read"),
    ("SSL_CERT_DIR", "/nowhere", "names /nowhere, which can't be read: No such file"),
    ("SSL_CERT_DIR", "/dev", "which has no certificate"),
    ("REQUESTS_CA_BUNDLE", "/nowhere.pem", "which can't be read: No such file"),
    ("CURL_CA_BUNDLE", "/dev", "which has no certificate"),
)


def test_values_that_can_not_be_are_named_by_downloads(env: dict[str, str], tmp_path: Path) -> None:
    runs = [Run(DOWNLOAD, {"HF_HUB_OFFLINE": "0", name: value}) for name, value, _ in REFUSED]
    for (name, value, said), result in zip(
        REFUSED, forked.run_all(runs, env, tmp_path), strict=True
    ):
        assert result.status == (1 if said == "is not a folder" else 3), (value, result)
        assert result.errors.startswith(f"Error: {name} "), result
        assert said in result.errors
        assert "lovelace" not in result.errors


def test_commands_that_ask_nobody_do_not_care(env: dict[str, str], tmp_path: Path) -> None:
    values = {name: value for name, value, _ in REFUSED}
    runs = [Run(("models",), {name: value}) for name, value in values.items()]
    results = forked.run_all(runs, env, tmp_path)
    assert {(result.status, result.errors) for result in results} == {(0, "")}
    assert len({result.output for result in results}) == 1
    for arguments in (("models",), GENERATE):
        result = run(*arguments, env={**env, **values})
        assert (result.returncode, result.stderr) == (0, b"")


def test_an_empty_variable_counts_as_unset(hub: Hub, tmp_path: Path) -> None:
    names = {name for name, _, _ in REFUSED} - {"HF_ENDPOINT", "HF_HOME"}
    env = stock(hub).environment(**dict.fromkeys(names, ""))
    assert [each.status for each in forked.run_all([Run(MAIN)], env, tmp_path)] == [0]


def test_a_variable_that_common_images_set_prints_nothing(hub: Hub) -> None:
    result = run(
        *MAIN, env=stock(hub).environment(HF_HUB_ENABLE_HF_TRANSFER="1", PYTHONWARNINGS="error")
    )
    assert result.returncode == 0
    assert b"Warning" not in result.stderr
    assert len(result.stderr.splitlines()) == 2


# By address: how it is shown. Nothing listens there.
DEAD_PROXIES = {
    "http://ada:lovelace@127.0.0.1:9": "http://127.0.0.1:9",
    "https://ada:lovelace@127.0.0.1:9/": "https://127.0.0.1:9",
    "socks5://ada:lovelace@127.0.0.1:9": "socks5://127.0.0.1:9",
    "socks5h://127.0.0.1:9": "socks5h://127.0.0.1:9",
    "socks://ada:lovelace@127.0.0.1:9": "socks5://127.0.0.1:9",
    "ada:lovelace@127.0.0.1:9": "127.0.0.1:9",
    "127.0.0.1:9": "127.0.0.1:9",
}
ASKING = cases([DOWNLOAD, ("generate", "Hi")], [("doctor", "--json")])  # it has its own test, too


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named(
    env: dict[str, str], tmp_path: Path, scheme: str
) -> None:
    """By every command that asks the Hub, and never with its password."""
    hub = f"{scheme}://hub.invalid"
    count = len(DEAD_PROXIES) if scheme == "http" or ALL_CASES else 2
    names = ("ALL_PROXY", f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy")
    named = [
        (Run(ASKING[0], {name: proxy}), name, shown)
        for i, (proxy, shown) in enumerate(list(DEAD_PROXIES.items())[:count])
        for name in (names if i == 0 else names[i % 4 : i % 4 + 1])
    ]
    proxy, shown = next(iter(DEAD_PROXIES.items()))
    if scheme == "https":
        named += [(Run(each, {names[1]: proxy}), names[1], shown) for each in ASKING[1:]]
    common = {**env, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub}
    results = forked.run_all([each for each, _, _ in named], common, tmp_path)
    for (made, name, address), result in zip(named, results, strict=True):
        assert result.status == (1 if made.arguments[0] == "doctor" else 3), (made, result)
        said = result.errors + result.output
        reason = f"through the proxy {address} ({name}): Connection refused."
        assert f"{hub} can't be reached {reason}" in said
        assert f"Check {name}, then run the command again." in said
        assert "lovelace" not in said


def test_no_proxy(env: dict[str, str], tmp_path: Path) -> None:
    """An address that NO_PROXY exempts is asked directly, and no proxy is named."""
    exempt = ("*", "127.0.0.0/8", "example.com, 127.0.0.1:9")
    proxied = {**DEAD_HUB, "ALL_PROXY": "http://127.0.0.1:10"}
    runs = [Run(DOWNLOAD, {**proxied, "NO_PROXY": each}) for each in exempt]
    results = forked.run_all([*runs, Run(DOWNLOAD, proxied)], env, tmp_path)
    assert ["proxy" in result.errors for result in results] == [False] * len(exempt) + [True]


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Run a server that answers whatever comes with some bytes, and give its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    with server.accept()[0] as connection:
                        connection.recv(4096)
                        connection.sendall(reply)
                except OSError:
                    return

        Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05", b"\x05\xff"])
def test_a_proxy_that_speaks_something_else(
    env: dict[str, str], tmp_path: Path, reply: bytes
) -> None:
    with answering(reply) as address:
        hub = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "https://hub.invalid"}
        runs = [
            Run(DOWNLOAD, {**hub, "ALL_PROXY": f"{scheme}://{address}"})
            for scheme in ("socks5", "http")
        ]
        for result in forked.run_all(runs, env, tmp_path):
            assert result.status == 3
            assert f"{address} (ALL_PROXY)" in result.errors


def test_a_token_that_can_t_be_read(env: dict[str, str], tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    runs = [Run(DOWNLOAD, {**DEAD_HUB, "HF_TOKEN_PATH": str(path)}) for path in (binary, tmp_path)]
    for each, result in zip(runs, forked.run_all(runs, env, tmp_path), strict=True):
        assert result.status == 3
        assert f"Can't read the token in {each.environment['HF_TOKEN_PATH']}: " in result.errors


@pytest.mark.parametrize("bits", [0o000, 0o600])
def test_a_cache_that_can_t_be_entered(hub: Hub, bits: int) -> None:
    launcher, env = bound_by_modes(), stock(hub).environment()
    hub.cache.mkdir(parents=True)
    with mode(hub.cache, bits):
        assert run(*GENERATE, env=env, launcher=launcher).returncode == 0
        for arguments in (
            ("models",),
            ("generate", "Hi"),
            MAIN,
            ("verify", "--all"),
            ("remove", "--all"),
        ):
            result = run(*arguments, env=env, launcher=launcher)
            assert (result.returncode, result.stdout) == (1, b""), arguments
            assert b"Error: Can't read the Hugging Face cache: " in result.stderr
            assert b"Permission denied. Check the owner and permissions" in result.stderr


def test_a_cache_that_can_t_be_written(hub: Hub) -> None:
    launcher, env = bound_by_modes(), stock(hub).environment()
    hub.cache.mkdir(parents=True)
    with mode(hub.cache, 0o500):
        assert run("models", env=env, launcher=launcher).returncode == 0
        result = run(*MAIN, env=env, launcher=launcher)
        assert result.returncode == 1
        assert b"can't be written: Permission denied. Choose another folder" in result.stderr


def test_damaged_entries_of_the_cache(hub: Hub) -> None:
    """A reference that is not a text leads to no file."""
    env = stock(hub).environment()
    reference = hub.snapshot(REPOSITORY).parents[1] / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_bytes(b"\xff\xfe\x00")
    assert run("verify", "--revision", "main", env=env).returncode == 3


needs_util_linux = pytest.mark.skipif(not shutil.which("prlimit"), reason="needs util-linux")
NOBODY = ("unshare", "--user", "--map-user=54321")  # without a line in /etc/passwd


def nobody() -> tuple[str, ...]:
    """Return a launcher of programs that run as a user whom the system does not know."""
    if subprocess.run([*NOBODY, "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to have another user id")
    return NOBODY


@needs_util_linux
def test_no_home(env: dict[str, str]) -> None:
    env = {name: value for name, value in env.items() if name not in ("HOME", "HF_HOME")}
    env["HF_HUB_OFFLINE"] = "0"
    launcher = nobody()
    for arguments in (("models",), GENERATE):
        assert run(*arguments, env=env, launcher=launcher).returncode == 0
    for needy in (DOWNLOAD, ("generate", "Hi")):
        result = run(*needy, env=env, launcher=launcher)
        assert result.returncode == 1
        assert b"There is no home folder for the Hugging Face cache. Set HOME" in result.stderr
    for other in (("--install-completion", "bash"), ("import", "/", "--name", "x")):
        result = run(*other, env=env, launcher=launcher)
        assert (result.returncode, b"no home folder" in result.stderr) == (1, True)


def test_a_home_that_does_not_exist(env: dict[str, str]) -> None:
    env = {name: value for name, value in env.items() if name != "HF_HOME"}
    for home in ("/proc/nowhere", ""):
        for arguments in (("models",), GENERATE):
            result = run(*arguments, env={**env, "HOME": home})
            assert (result.returncode, result.stderr) == (0, b"")


def test_a_deleted_working_folder(env: dict[str, str], tmp_path: Path) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    launcher = ("sh", "-c", f"cd {tmp_path}; {script}", "sh")
    result = run(*GENERATE, env=env, launcher=launcher)
    assert (result.returncode, result.stderr) == (0, b"")
    refused = (("generate", "-m", "x.gguf", "Hi"), ("perplexity", "-m", "demo", "x.txt"))
    for arguments in (*refused, ("features", "-m", "demo", "Hi", "--output", "x.npy")):
        result = run(*arguments, env=env, launcher=launcher)
        assert result.returncode in (1, 3)
        assert result.stderr.startswith(b"Error: ")
        assert b"Unexpected" not in result.stderr


@needs_util_linux
@pytest.mark.parametrize("files", [5, 7])
def test_too_few_files(env: dict[str, str], files: int) -> None:
    """Python itself needs 5. What is wanting is named, also where the message needs a file."""
    launcher = ("prlimit", f"--nofile={files}")
    result = run(*GENERATE, env=env, launcher=launcher)
    assert result.returncode in (0, 1, 4)
    assert b"Traceback" not in result.stderr
    assert result.returncode == 0 or b"oo many" in result.stderr


@needs_util_linux
def test_twenty_files_are_enough(hub: Hub) -> None:
    env = stock(hub).environment()
    for arguments in (GENERATE, ("score", "-m", "demo", "Hi"), MAIN):
        assert run(*arguments, env=env, launcher=("prlimit", "--nofile=20")).returncode == 0


def few_processes(count: int) -> tuple[str, ...]:
    """Return a launcher of programs that may have so many threads, besides those of their user."""
    limit = ("prlimit", f"--nproc={count}")
    if os.geteuid() != 0:
        return limit
    # Root has no such limit; another user has, who keeps the right to read root's files.
    bound_by_modes()
    return ("setpriv", "--ruid=54321", "--bounding-set=-sys_resource,-sys_admin", *limit)


@needs_util_linux
def test_too_few_processes(hub: Hub) -> None:
    launcher, env = few_processes(1), stock(hub).environment()
    for arguments in (("models",), (*GENERATE, "--threads", "1")):
        assert run(*arguments, env=env, launcher=launcher).returncode == 0
    result = run(*MAIN, env=env, launcher=launcher)
    assert result.returncode == 1
    assert result.stderr.decode() == (
        "Error: The system does not allow another process or thread."
        " Raise the limit with `ulimit -u`, or close other programs.\n"
    )


def test_no_temporary_folder(env: dict[str, str], tmp_path: Path) -> None:
    for arguments in (GENERATE, ("features", "-m", "demo", "Hi", "--output", f"{tmp_path}/x.npy")):
        assert run(*arguments, env={**env, "TMPDIR": "/dev/null"}).returncode == 0


def test_names_that_are_not_utf_8(env: dict[str, str], tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(odd)).mkdir()
    model, text = odd + b"/m\xff.gguf", odd + b"/t\xfe.txt"
    Path(os.fsdecode(model)).symlink_to(demo().path)
    Path(os.fsdecode(text)).write_bytes(b"Once upon a time there was a little girl. " * 9)
    for arguments in (
        ("generate", "-m", model, "--json", "--max-tokens", "1", "Hi"),
        ("info", "-m", model, "--json"),
        ("info", "-m", model),
        ("perplexity", "-m", model, "--json", text),
        ("perplexity", "-m", model, text),
        ("tokenize", "-m", model, "--json", "Hi"),
        ("features", "-m", model, "--output", odd + b"/f\xfd.npy", "Hi"),
    ):
        result = run(*arguments, env=env)
        assert result.returncode == 0, result.stderr
        if "--json" in arguments:
            assert result.stdout.isascii()
            assert [json.loads(line) for line in result.stdout.splitlines()]
    missing = run("generate", "-m", odd + b"/no", "Hi", env={**env, "HF_HOME": os.fsdecode(odd)})
    assert missing.returncode == 3
    assert b"caf\\udce9" in missing.stderr


def test_a_cache_whose_name_is_not_utf_8(hub: Hub, tmp_path: Path) -> None:
    env = stock(hub).environment(HF_HOME=os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    result = run(*MAIN, env=env)
    assert result.returncode == 0, result.stderr
    assert b"/caf\xe9/" in result.stdout
    for arguments in (("verify", "--revision", "main", "--json"), (*MAIN, "--json")):
        result = run(*arguments, env=env)
        assert (result.returncode, result.stdout.isascii()) == (0, True), result.stderr


def test_a_few_surroundings_drawn_at_random() -> None:
    """A part of ``make fuzz``, in which hostile values of all kinds meet."""
    command = (sys.executable, "-m", "tests.fuzz.surroundings", "10", "0", "0")
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("surroundings tried: 10 ")


def test_values_that_the_fuzzer_found(env: dict[str, str], tmp_path: Path) -> None:
    digits = "9" * 5000
    runs = [
        Run((*GENERATE, "--gpu-layers", digits)),
        Run((*GENERATE, "--threads", digits)),
        Run(("models",), {"_DISTIL_COMPLETE": "complete_bash"}),
        Run(("models",), {"_DISTIL_COMPLETE": "x"}),
        Run(("models",), {"_DISTIL_COMPLETE": ""}),
        Run(DOWNLOAD, {**DEAD_HUB, "HF_OIDC_RESOURCE": "x"}),
    ]
    results = forked.run_all(runs, env, tmp_path)
    assert [each.status for each in results] == [2, 2, 2, 2, 0, 3]
    assert all("Unexpected" not in each.errors for each in results)
