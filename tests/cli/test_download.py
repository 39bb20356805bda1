"""``distil download`` against a Hub on loopback, with the real client in another process."""

import hashlib
import json
from pathlib import Path

import pytest

from distilgpt2_cli.models.catalog import CATALOG, REPOSITORY
from tests.support.hub import COMMIT, Fault, Hub
from tests.support.run import run, terminal
from tests.support.stock import CONTENT, MAIN, NAME, OTHER, files_below, stock


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub with one quantization of DistilGPT2 and another model."""
    return stock(hub)


def lines(*texts: object) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def test_the_path_is_printed_and_a_second_time_nothing_is_asked(hub: Hub) -> None:
    first = run(*MAIN, env=hub.environment())
    path = hub.snapshot(REPOSITORY) / NAME
    assert first.returncode == 0
    assert first.stdout == lines(path)
    assert path.read_bytes() == CONTENT
    started, ended = first.stderr.decode().splitlines()
    assert started == f"Downloading {NAME} (1.0 MB)."
    assert ended.startswith(f"Downloaded {NAME} in ")
    assert ended.endswith(" MB/s).")
    hub.requests.clear()
    for revision in ("main", COMMIT):
        again = run("download", "-q", "q4_k_m", "--revision", revision, env=hub.environment())
        assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, b"")
    assert hub.requests == []


def test_force_downloads_again(hub: Hub) -> None:
    run(*MAIN, env=hub.environment())
    hub.requests.clear()
    result = run(*MAIN, "--force", "--quiet", env=hub.environment())
    assert (result.returncode, result.stderr) == (0, b"")
    assert "GET" in {request.method for request in hub.requests}


def test_a_content_that_the_cache_has_is_not_transferred_again(hub: Hub) -> None:
    run(*MAIN, env=hub.environment())
    hub.add(REPOSITORY, {NAME: CONTENT}, commit="1" * 40, branch="next")
    hub.requests.clear()
    result = run("download", "--revision", "next", env=hub.environment())
    assert (result.returncode, result.stderr) == (0, b"")
    assert {request.method for request in hub.requests} == {"HEAD"}


def test_another_home_of_the_cache_is_used(hub: Hub, tmp_path: Path) -> None:
    result = run(*MAIN, env=hub.environment(HF_HOME=str(tmp_path / "elsewhere")))
    assert result.stdout.startswith(str(tmp_path / "elsewhere/hub").encode())


def test_several_quantizations_in_a_row(hub: Hub) -> None:
    hub.add(REPOSITORY, {NAME: CONTENT, "distilgpt2.Q2_K.gguf": b"small"})
    result = run(*MAIN, "-q", "Q2_K", "-q", "q4_k_m", "-q", "Q8_0", env=hub.environment())
    folder = hub.snapshot(REPOSITORY)
    assert result.returncode == 3
    assert result.stdout == lines(folder / "distilgpt2.Q2_K.gguf", folder / NAME)


def test_all_of_the_catalog(hub: Hub) -> None:
    hub.add(REPOSITORY, {entry.name: entry.name.encode() for entry in CATALOG})
    result = run(*MAIN, "--all", "--quiet", env=hub.environment())
    folder = hub.snapshot(REPOSITORY)
    assert result.stdout == lines(*(folder / entry.name for entry in CATALOG))


def test_all_of_another_repository(hub: Hub) -> None:
    result = run("download", "--repo", OTHER, "--all", env=hub.environment())
    folder = hub.snapshot(OTHER)
    assert result.stdout == lines(folder / "a/m-Q4_K.gguf", folder / "m-Q4_K_M.gguf")


def test_an_ambiguous_quantization_is_reported(hub: Hub) -> None:
    hub.add(OTHER, {"a-Q4_0.gguf": b"", "b-Q4_0.gguf": b""})
    result = run("download", "--repo", OTHER, "-q", "q4_0", env=hub.environment())
    assert result.returncode == 3
    assert b"several Q4_0 files: a-Q4_0.gguf, b-Q4_0.gguf" in result.stderr


def test_names_that_lead_out_of_the_folder_are_not_taken(hub: Hub, tmp_path: Path) -> None:
    hub.add(OTHER, {"../../../out-Q8_0.gguf": b"bad", "/out-Q8_0.gguf": b"bad"})
    for to in ([], ["--to", str(tmp_path / "models")]):
        result = run("download", "--repo", OTHER, "-q", "Q8_0", *to, env=hub.environment())
        assert result.returncode == 3
    assert list(tmp_path.rglob("out*")) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--quant", "Q9_K"], "Use one of Q2_K, Q3_K_S, Q3_K_M, "),
        (["--quant", "Q2_K", "--all"], "can't be combined"),
        (["--repo", "models"], "OWNER/NAME"),
        (["--repo", "a/b--c"], "OWNER/NAME"),
        (["--repo", OTHER, "--quant", "big"], "such as Q4_K_M"),
        (["--revision", "../x"], "branch, tag or commit"),
    ],
)
def test_wrong_usage(hub: Hub, arguments: list[str], sentence: str) -> None:
    result = run("download", *arguments, env=hub.environment())
    assert (result.returncode, result.stdout) == (2, b"")
    assert sentence in result.stderr.decode()
    assert hub.requests == []


def test_to_a_folder(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "models"
    result = run(*MAIN, "--to", str(folder), env=hub.environment())
    assert (result.returncode, result.stdout) == (0, lines(folder / NAME))
    assert list(folder.iterdir()) == [folder / NAME]
    assert (folder / NAME).read_bytes() == CONTENT
    assert files_below(hub.cache) == []
    again = run(*MAIN, "--to", str(folder), env=hub.environment())
    assert (again.returncode, again.stderr) == (0, b"")


def test_to_a_folder_without_the_folders_of_the_repository(hub: Hub, tmp_path: Path) -> None:
    run("download", "--repo", OTHER, "-q", "Q4_K", "--to", str(tmp_path), env=hub.environment())
    assert (tmp_path / "m-Q4_K.gguf").read_bytes() == b"one"


def test_to_a_folder_from_the_cache(hub: Hub, tmp_path: Path) -> None:
    run(*MAIN, env=hub.environment())
    hub.requests.clear()
    for _ in range(2):
        result = run(*MAIN, "--to", str(tmp_path / "models"), env=hub.environment())
        assert (result.returncode, result.stderr) == (0, b"")
    assert hub.requests == []
    assert (tmp_path / "models" / NAME).read_bytes() == CONTENT


def test_to_a_folder_past_a_damaged_cache(hub: Hub, tmp_path: Path) -> None:
    run(*MAIN, env=hub.environment())
    (hub.snapshot(REPOSITORY) / NAME).write_bytes(b"damaged")
    result = run(*MAIN, "--to", str(tmp_path / "models"), env=hub.environment())
    assert result.returncode == 0
    assert (tmp_path / "models" / NAME).read_bytes() == CONTENT


def test_a_user_s_file_is_replaced_by_force_only(hub: Hub, tmp_path: Path) -> None:
    own = tmp_path / NAME
    own.write_bytes(b"precious")
    result = run(*MAIN, "--to", str(tmp_path), env=hub.environment())
    assert result.returncode == 1
    assert b"--force" in result.stderr
    assert own.read_bytes() == b"precious"
    hub.fail(Fault(flip_at=0))
    assert run(*MAIN, "--to", str(tmp_path), "--force", env=hub.environment()).returncode == 4
    assert own.read_bytes() == b"precious"
    hub.recover()
    assert run(*MAIN, "--to", str(tmp_path), "--force", env=hub.environment()).returncode == 0
    assert own.read_bytes() == CONTENT


def test_a_dry_run_of_the_catalog_asks_nobody(hub: Hub) -> None:
    result = run("download", "--all", "--dry-run", env=hub.environment())
    header, *rows = result.stdout.decode().splitlines()
    assert header.split() == ["QUANT", "FILE", "SIZE", "DOWNLOADED"]
    assert [row.split()[1] for row in rows] == [entry.name for entry in CATALOG]
    assert rows[0].split() == ["Q2_K", "distilgpt2.Q2_K.gguf", "65.2", "MB", "no"]
    assert hub.requests == []


def test_a_dry_run_transfers_nothing(hub: Hub, tmp_path: Path) -> None:
    planned = plan_of(run(*MAIN, "--dry-run", "--json", env=hub.environment()).stdout)
    assert (planned["downloaded"], planned["path"]) == (False, None)
    assert planned["size"] == len(CONTENT)
    assert {request.method for request in hub.requests} == {"HEAD"}
    done = plan_of(run(*MAIN, "--json", "--quiet", env=hub.environment()).stdout)
    planned = plan_of(run(*MAIN, "--dry-run", "--json", env=hub.environment()).stdout)
    assert planned == {**done, "downloaded": True}
    to = ("--to", str(tmp_path / "models"))
    assert not plan_of(run(*MAIN, "--dry-run", "--json", *to, env=hub.environment()).stdout)["path"]
    run(*MAIN, *to, env=hub.environment())
    planned = plan_of(run(*MAIN, "--dry-run", "--json", *to, env=hub.environment()).stdout)
    assert planned["path"] == str(tmp_path / "models" / NAME)


def plan_of(output: bytes) -> dict[str, object]:
    record: dict[str, object] = json.loads(output)
    return record


def test_json(hub: Hub) -> None:
    result = run(*MAIN, "--json", env=hub.environment())
    assert json.loads(result.stdout) == {
        "quantization": "Q4_K_M",
        "name": NAME,
        "path": str(hub.snapshot(REPOSITORY) / NAME),
        "repository": REPOSITORY,
        "revision": COMMIT,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
    }


def test_a_terminal_shows_a_bar_with_size_rate_and_time_left(hub: Hub) -> None:
    hub.add(REPOSITORY, {NAME: CONTENT * 30})
    hub.fail(Fault(stall_at=25_000_000, stall_seconds=0.5))
    with terminal(*MAIN, env=hub.environment(), columns=120) as screen:
        assert screen.wait() == 0
    for part in (NAME, "━", "/31.5 MB", " MB/s", "0:00:0"):
        assert part.encode() in screen.output
    assert screen.output.endswith(b"%s\r\n" % str(hub.snapshot(REPOSITORY) / NAME).encode())


@pytest.mark.parametrize("changes", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_without_colours_gets_none(hub: Hub, changes: dict[str, str]) -> None:
    with terminal(*MAIN, env=hub.environment(**changes)) as screen:
        assert screen.wait() == 0
    assert b"\x1b[3" not in screen.output
    assert (b"\x1b" in screen.output) == ("NO_COLOR" in changes)


def test_quiet_says_nothing_on_a_terminal(hub: Hub) -> None:
    with terminal(*MAIN, "--quiet", env=hub.environment()) as screen:
        assert screen.wait() == 0
    assert screen.output == b"%s\r\n" % str(hub.snapshot(REPOSITORY) / NAME).encode()
