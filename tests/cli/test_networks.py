"""Downloads over bad networks, onto bad disks, and by processes that are killed or many at once."""

import hashlib
import random
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.support.disks import make_read_only, small_disk
from tests.support.hub import Fault, Hub, serving
from tests.support.run import run, started, terminal
from tests.support.stock import CONTENT, MAIN, NAME, files_below, stock


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub with one quantization of DistilGPT2."""
    return stock(hub)


def refused(env: dict[str, str], *sentences: str, status: int = 3) -> str:
    result = run(*MAIN, env=env)
    assert (result.returncode, result.stdout) == (status, b"")
    errors = result.stderr.decode()
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("Error: ")
    for sentence in sentences:
        assert sentence in errors
    return errors


def test_a_name_that_nobody_knows(hub: Hub) -> None:
    refused(hub.environment(HF_ENDPOINT="http://hub.invalid"), "hub.invalid can't be reached")


def test_a_server_without_tls(hub: Hub) -> None:
    address = hub.address.replace("http:", "https:")
    refused(hub.environment(HF_ENDPOINT=address), f"{address} can't be reached")


def test_a_certificate_that_nobody_signed(hub: Hub, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(tmp_path / "home", tls=context) as secure:
        refused(hub.environment(HF_ENDPOINT=secure.address), "can't be reached", "certificate")


def test_a_stall_is_reported_and_the_transfer_taken_up_again(hub: Hub) -> None:
    hub.fail(Fault(stall_at=500_000, stall_seconds=20, times=1))
    result = run(*MAIN, env=hub.environment(HF_HUB_DOWNLOAD_TIMEOUT="5"))
    assert result.returncode == 0
    assert result.stderr.count(f"No data from {hub.address}".encode()) == 1


def test_the_token_does_not_travel_to_another_host(hub: Hub, tmp_path: Path) -> None:
    with serving(tmp_path / "other") as other:
        stock(other)
        address = other.address.replace("127.0.0.1", "localhost")
        target = f"{address}/{REPOSITORY}/resolve/main/{NAME}"
        hub.fail(Fault(method="GET", status=302, headers={"Location": target}))
        result = run(*MAIN, env=hub.environment(HF_TOKEN="hf_secret"))
        assert result.returncode == 0
        assert other.requests
        assert all("authorization" not in request.headers for request in other.requests)
        assert {r.headers["authorization"] for r in hub.requests} == {"Bearer hf_secret"}


def trusted(hub: Hub) -> Path | None:
    """Return the file that ``generate`` would take without asking anybody."""
    result = run("verify", "--revision", "main", "--quiet", env=hub.environment())
    path = hub.snapshot(REPOSITORY) / NAME
    return path if result.returncode != 3 else None


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_a_killed_download_leaves_nothing_that_is_taken_as_whole(
    hub: Hub, tmp_path: Path, place: str
) -> None:
    """SIGKILL at moments drawn at random; ``make fuzz`` does it more often."""
    folder = tmp_path / "models"
    arguments = (*MAIN, "--to", str(folder)) if place == "folder" else MAIN
    moments = random.Random(place)
    for _ in range(3):
        hub.fail(Fault(stall_at=700_000, stall_seconds=0.2))
        with started(*arguments, "--force", env=hub.environment()) as process:
            time.sleep(moments.uniform(0.05, 0.6))
            process.kill()
        for path in (trusted(hub), folder / NAME):
            if path and path.exists():
                assert path.read_bytes() == CONTENT
    hub.recover()
    assert run(*arguments, "--force", env=hub.environment()).returncode == 0
    left = {path for root in (hub.cache, folder) for path in files_below(root)}
    assert all(path.is_symlink() or path.name in (NAME, sha256()) for path in left), left


def sha256() -> str:
    return hashlib.sha256(CONTENT).hexdigest()


def test_a_content_under_the_object_id_of_another_is_not_taken(hub: Hub) -> None:
    """As another program leaves it, which compares sizes only."""
    blob = hub.snapshot(REPOSITORY).parents[1] / "blobs" / sha256()
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"x" * len(CONTENT))
    assert run(*MAIN, env=hub.environment()).returncode == 0
    assert (hub.snapshot(REPOSITORY) / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("count", [2, 8])
def test_many_at_once(hub: Hub, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(lambda _: run(*MAIN, env=hub.environment()), range(count)))
    assert {result.returncode for result in results} == {0}
    assert len({result.stdout for result in results}) == 1
    assert (hub.snapshot(REPOSITORY) / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_a_full_disk(hub: Hub, tmp_path: Path, place: str) -> None:
    with small_disk(tmp_path / "disk", "600k") as disk:
        home = {"HF_HOME": str(disk / "huggingface")} if place == "cache" else {}
        to = ("--to", str(disk / "models")) if place == "folder" else ()
        result = run(*MAIN, *to, env=hub.environment(**home))
        assert (result.returncode, result.stdout) == (1, b"")
        assert b"No space left on device" in result.stderr
        assert b"Free some space" in result.stderr
        assert files_below(disk) == []


def test_a_cache_that_can_only_be_read(hub: Hub, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        home = hub.environment(HF_HOME=str(disk / "huggingface"))
        downloaded = run(*MAIN, env=home)
        assert downloaded.returncode == 0
        make_read_only(disk)
        hub.requests.clear()
        assert run(*MAIN, env=home).stdout == downloaded.stdout
        assert run("verify", "--revision", "main", env=home).returncode == 0
        assert hub.requests == []
        for arguments in (("--revision", "pinned"), ("--revision", "main", "--force")):
            hub.add(REPOSITORY, {NAME: CONTENT}, commit="e" * 40, branch="other")
            result = run("download", "--revision", "other", *arguments[2:], env=home)
            assert (result.returncode, result.stdout) == (1, b"")
            assert b"can't be written: Read-only file system." in result.stderr
        result = run("remove", "--revision", "main", "--yes", env=home)
        assert result.returncode == 1
        assert b"Can't remove " in result.stderr
        assert b": Read-only file system. Check the owner" in result.stderr


def test_a_damaged_file_in_a_cache_that_can_only_be_read(hub: Hub, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        home = hub.environment(HF_HOME=str(disk / "huggingface"))
        path = Path(run(*MAIN, env=home).stdout.decode().strip())
        path.write_bytes(b"damaged")
        make_read_only(disk)
        for arguments in (MAIN, ("verify", "--revision", "main", "--repair", "--quiet")):
            result = run(*arguments, env=home)
            assert (result.returncode, result.stdout) == (1, b"")
            assert b"can't be written: Read-only file system." in result.stderr
        assert run("verify", "--revision", "main", env=home).returncode == 4


def test_a_home_that_can_only_be_read(hub: Hub, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as home:
        make_read_only(home)
        env = hub.environment(HOME=str(home))
        del env["HF_HOME"]
        demo = ("generate", "-m", "demo", "--seed", "1", "--max-tokens", "3", "Hi")
        for arguments in (demo, ("models",), (*MAIN, "--to", str(tmp_path / "models"))):
            result = run(*arguments, env=env)
            assert (result.returncode, b"Error" in result.stderr) == (0, False)
        for needy in (MAIN, ("generate", "--revision", "main", "Hi")):
            result = run(*needy, env=env)
            assert (result.returncode, result.stdout) == (1, b"")
            assert result.stderr.decode().endswith(
                " can't be written: Read-only file system. Choose another folder with HF_HOME.\n"
            )


def test_a_file_that_can_t_be_read(hub: Hub) -> None:
    """Its disk gives an error, as one that is broken does."""
    assert run(*MAIN, env=hub.environment()).returncode == 0
    blob = (hub.snapshot(REPOSITORY) / NAME).resolve()
    blob.unlink()
    blob.symlink_to("/proc/self/mem")
    for command in ("verify", "download"):
        result = run(command, "--revision", "main", "--quiet", env=hub.environment())
        assert (result.returncode, result.stdout) == (1, b"")
        assert b"can't be read: Input/output error. Check its owner" in result.stderr


@pytest.mark.parametrize(
    "name", ["../../evil.Q8_0.gguf", "/tmp/evil.Q8_0.gguf", "a/../b.Q8_0.gguf"]
)
@pytest.mark.parametrize("place", ["cache", "folder"])
def test_a_name_from_the_hub_never_leads_outside(
    hub: Hub, tmp_path: Path, name: str, place: str
) -> None:
    """Whatever is made of it, nothing appears but below the cache and the chosen folder."""
    hub.add("evil/models", {name: b"evil"})
    folder = tmp_path / "deep/er/models"
    before = set(tmp_path.rglob("*"))
    to = ("--to", str(folder)) if place == "folder" else ()
    arguments = ("download", "--repo", "evil/models", "--quant", "Q8_0", *to)
    result = run(*arguments, env=hub.environment())
    assert b"Traceback" not in result.stderr
    made = set(tmp_path.rglob("*")) - before
    for path in made:
        inside = path.is_relative_to(hub.cache.parent) or path.is_relative_to(folder)
        assert inside or path in (*folder.parents, *hub.cache.parents), path
    assert not Path("/tmp/evil.Q8_0.gguf").exists()


def test_escape_sequences_from_the_hub_and_the_command_line(hub: Hub, tmp_path: Path) -> None:
    """On a terminal they are shown; nothing that the Hub or a path says can act."""
    name = "a\x1b]52;c;ZXZpbA==\x07\x9b31m\u202e[bold].Q8_0.gguf"
    hub.add("evil/models", {name: b"one", "b.Q8_0.gguf": b"two"})
    arguments = ("download", "--repo", "evil/models", "--quant", "Q8_0")
    with terminal(*arguments, env=hub.environment(NO_COLOR="1"), columns=300) as screen:
        assert screen.wait() != 0
    assert b"\x1b]52" not in screen.output
    assert b"\x07" not in screen.output
    assert "\x9b".encode() not in screen.output
    assert "\u202e".encode() not in screen.output
    path = tmp_path / "\x1b[31mred\x1b]8;;x\x07.gguf"
    path.write_bytes(b"no model")
    with terminal("generate", "-m", str(path), "Hi", env=hub.environment(NO_COLOR="1")) as screen:
        assert screen.wait() == 4
    assert b"\x1b" not in screen.output
    assert b"\x07" not in screen.output
