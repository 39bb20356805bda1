"""``distil download`` when something goes wrong: a sentence, a status, and nothing half is kept."""

import hashlib
import json
from pathlib import Path

import pytest

from distilgpt2_cli.models.catalog import REPOSITORY, entry
from tests.support.extent import cases
from tests.support.hub import Fault, Hub
from tests.support.run import run
from tests.support.stock import CONTENT, MAIN, NAME, OTHER, arrived_below, files_below, stock


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub with one quantization of DistilGPT2 and another model."""
    return stock(hub)


def lines(*texts: object) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


@pytest.mark.parametrize("arguments", [[], ["--revision", "pinned"]])
def test_another_content_at_the_catalog_s_commit_is_refused_before_the_transfer(
    hub: Hub, arguments: list[str]
) -> None:
    result = run("download", *arguments, env=hub.environment())
    assert result.returncode == 4
    assert result.stdout == b""
    assert b"distilgpt2.Q4_K_M.gguf on the Hub differs from the catalog" in result.stderr
    assert {request.method for request in hub.requests} == {"HEAD"}
    assert files_below(hub.cache) == []


def test_another_content_announced_as_the_catalog_s_is_refused_after_it(hub: Hub) -> None:
    etag = f'"{entry("Q4_K_M").sha256}"'
    hub.fail(Fault(method="HEAD", headers={"ETag": etag, "X-Linked-Etag": etag}))
    result = run("download", env=hub.environment())
    assert result.returncode == 4
    assert b"does not have the hash" in result.stderr
    assert files_below(hub.cache) == []


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_one_wrong_byte_is_refused_and_the_next_good_run_succeeds(
    hub: Hub, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / "models"
    arguments = (*MAIN, "--to", str(folder)) if place == "folder" else MAIN
    hub.fail(Fault(flip_at=500_000))
    result = run(*arguments, env=hub.environment())
    assert (result.returncode, result.stdout) == (4, b"")
    assert b"does not have the hash" in result.stderr
    assert files_below(hub.cache) == files_below(folder) == []
    hub.recover()
    assert run(*arguments, env=hub.environment()).returncode == 0


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"x" * len(CONTENT)])
def test_a_file_damaged_in_the_cache_is_downloaded_again(hub: Hub, damage: bytes) -> None:
    run(*MAIN, env=hub.environment())
    path = hub.snapshot(REPOSITORY) / NAME
    path.write_bytes(damage)
    assert run(*MAIN, env=hub.environment()).stdout == lines(path)
    assert path.read_bytes() == CONTENT


def test_a_small_file_is_checked_by_its_git_blob_id(hub: Hub) -> None:
    hub.small_files.add(NAME)
    result = run(*MAIN, "--json", env=hub.environment())
    assert json.loads(result.stdout)["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    hub.requests.clear()
    assert run(*MAIN, env=hub.environment()).returncode == 0
    assert hub.requests == []
    hub.fail(Fault(flip_at=0))
    assert run(*MAIN, "--force", env=hub.environment()).returncode == 4


def test_a_connection_that_breaks_is_taken_up_again(hub: Hub) -> None:
    hub.add(REPOSITORY, {NAME: CONTENT * 20})
    hub.fail(Fault(cut_at=15_000_000, times=1))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 0
    assert len(result.stderr.splitlines()) == 2
    assert "bytes=15000000-" in {request.headers.get("range") for request in hub.requests}


def test_a_body_that_is_shorter_than_the_file(hub: Hub) -> None:
    hub.fail(Fault(cut_at=300_000, headers={"Content-Length": "300000"}))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 3
    assert result.stderr.decode().splitlines()[-2:] == [
        "The part that has arrived is kept: the next download resumes there.",
        f"Error: The connection broke during the download from {REPOSITORY}."
        " Run the command again.",
    ]
    assert arrived_below(hub.cache) == [300_000]


def test_a_body_that_is_longer_than_the_file(hub: Hub) -> None:
    hub.fail(Fault(extra=b"x" * 1000, headers={"Content-Length": str(len(CONTENT) + 1000)}))
    assert run(*MAIN, env=hub.environment()).returncode == 0
    assert (hub.snapshot(REPOSITORY) / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--repo", "no/models"], "The Hub has no repository no/models"),
        (["--revision", "none"], "has no revision none"),
        (["--revision", "main", "-q", "Q2_K"], "does not have this file at revision main"),
        (["--repo", OTHER, "-q", "F16"], "has no F16 file; it has a/m-Q4_K.gguf, m-Q4_K_M.gguf"),
    ],
)
def test_what_is_not_there_is_reported(hub: Hub, arguments: list[str], sentence: str) -> None:
    result = run("download", *arguments, env=hub.environment())
    assert (result.returncode, result.stdout) == (3, b"")
    assert result.stderr.startswith(b"Error: ")
    assert sentence in result.stderr.decode()
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("method", "status", "code", "sentence"),
    cases(
        [
            ("HEAD", 401, None, "refused access"),
            ("HEAD", 401, "GatedRepo", "is gated"),
            ("HEAD", 403, "GatedRepo", "is gated"),
            ("HEAD", 403, None, "refused access"),
            ("HEAD", 404, None, "status 404"),
            ("GET", 403, "GatedRepo", "is gated"),
            ("GET", 416, None, "status 416"),
        ],
        [
            ("HEAD", 416, None, "status 416"),
            ("GET", 401, None, "refused access"),
            ("GET", 401, "GatedRepo", "is gated"),
            ("GET", 403, None, "refused access"),
            ("GET", 404, None, "status 404"),
        ],
    ),
)
def test_a_refusal_is_reported_without_the_token(
    hub: Hub, method: str, status: int, code: str | None, sentence: str
) -> None:
    hub.fail(Fault(method=method, status=status, error_code=code))
    result = run(*MAIN, env=hub.environment(HF_TOKEN="hf_secret"))
    assert result.returncode == 3
    assert sentence in result.stderr.decode()
    assert b"hf_secret" not in result.stderr + result.stdout
    assert {request.headers["authorization"] for request in hub.requests} == {"Bearer hf_secret"}
    assert files_below(hub.cache) == []


def test_a_refused_connection_is_reported_at_once(hub: Hub) -> None:
    result = run(*MAIN, env=hub.environment(HF_ENDPOINT="http://127.0.0.1:9"))
    assert result.returncode == 3
    assert b"http://127.0.0.1:9 can't be reached" in result.stderr
    assert b"trying again" not in result.stderr


def test_a_server_that_is_not_a_hub_is_reported(hub: Hub) -> None:
    hub.fail(Fault(method="HEAD", headers={"X-Repo-Commit": "", "X-Linked-Etag": "x"}))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 3
    assert b"Check HF_ENDPOINT" in result.stderr


def test_offline_nothing_is_asked(hub: Hub) -> None:
    offline = hub.environment(HF_HUB_OFFLINE="1")
    result = run(*MAIN, env=offline)
    assert result.returncode == 3
    assert b"HF_HUB_OFFLINE" in result.stderr
    run(*MAIN, env=hub.environment())
    hub.requests.clear()
    assert run(*MAIN, env=offline).returncode == 0
    assert hub.requests == []


def test_a_folder_that_can_t_be_created_is_reported(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(*MAIN, "--to", str(tmp_path / "file"), env=hub.environment())
    assert result.returncode == 1
    expected = f"Error: {tmp_path / 'file'} is not a folder. Choose another folder with --to.\n"
    assert result.stderr.decode() == expected
    result = run(*MAIN, "--to", str(tmp_path / "file" / "in"), env=hub.environment())
    assert result.returncode == 1
    assert b"can't be written: Not a directory. Choose another folder with --to." in result.stderr
