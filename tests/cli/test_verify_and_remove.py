"""``distil verify`` and ``distil remove``, on a cache that the real client has filled."""

import json
import re
from pathlib import Path

import pytest

from distilgpt2_cli.cli.verify import EXAMPLES
from distilgpt2_cli.models.catalog import REPOSITORY
from tests.support.hub import COMMIT, Hub
from tests.support.run import run, terminal
from tests.support.stock import CONTENT, MAIN, NAME, OTHER, files_below, stock

AT_MAIN = ("--revision", "main")


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub of which one quantization of DistilGPT2 is downloaded."""
    stock(hub)
    assert run(*MAIN, env=hub.environment()).returncode == 0
    hub.requests.clear()
    return hub


def cached(hub: Hub) -> Path:
    return hub.snapshot(REPOSITORY) / NAME


def damage(hub: Hub) -> None:
    content = bytearray(CONTENT)
    content[1000] ^= 1
    cached(hub).write_bytes(content)


@pytest.mark.parametrize("arguments", [("--quant", "q4_k_m"), ("--all",), ()])
def test_what_is_intact_needs_no_network(hub: Hub, arguments: tuple[str, ...]) -> None:
    result = run("verify", *AT_MAIN, *arguments, env=hub.environment())
    assert result.returncode == 0
    assert result.stdout.decode() == f"Q4_K_M: intact: {cached(hub)}\n"
    assert result.stderr.startswith(b"Checking distilgpt2.Q4_K_M.gguf (1.0 MB).\nChecked ")
    assert hub.requests == []


def test_one_wrong_bit_is_found_and_repaired(hub: Hub) -> None:
    damage(hub)
    result = run("verify", *AT_MAIN, "--all", "--quiet", env=hub.environment())
    assert result.returncode == 4
    assert result.stdout.decode() == f"Q4_K_M: damaged: {cached(hub)}\n"
    assert result.stderr.decode() == (
        "Error: Damaged: Q4_K_M. Run the same command with --repair.\n"
    )
    assert hub.requests == []
    result = run("verify", *AT_MAIN, "--all", "--repair", "--json", env=hub.environment())
    assert (result.returncode, json.loads(result.stdout)["state"]) == (0, "repaired")
    assert cached(hub).read_bytes() == CONTENT
    assert b"intact" in run("verify", *AT_MAIN, env=hub.environment()).stdout


def test_the_json_has_the_key_that_the_help_names(hub: Hub) -> None:
    (key,) = re.findall(r"jq \.(\w+)", EXAMPLES)
    result = run("verify", *AT_MAIN, "--json", "--quiet", env=hub.environment())
    assert json.loads(result.stdout)[key] == "intact"


def test_the_bar_on_a_terminal(hub: Hub) -> None:
    with terminal("verify", *AT_MAIN, env=hub.environment(), columns=120) as screen:
        assert screen.wait() == 0
    for part in (NAME, "━", "1.0/1.0 MB"):
        assert part.encode() in screen.output


def test_a_repair_that_can_t_be_done_says_so(hub: Hub) -> None:
    damage(hub)
    offline = hub.environment(HF_HUB_OFFLINE="1")
    result = run("verify", *AT_MAIN, "--repair", "--quiet", env=offline)
    assert (result.returncode, result.stdout) == (3, b"")


def test_another_repository(hub: Hub) -> None:
    here = ("--repo", OTHER, "--revision", "main")
    assert (
        run("verify", *here, "--all", env=hub.environment()).stderr
        == b"No downloaded files found.\n"
    )
    assert run("download", *here, "-q", "Q4_K_M", env=hub.environment()).returncode == 0
    result = run("verify", *here, "--all", "--json", "--quiet", env=hub.environment())
    record = json.loads(result.stdout)
    assert (record["quantization"], record["state"]) == ("Q4_K_M", "intact")


@pytest.mark.parametrize("command", ["verify", "remove"])
def test_what_is_not_downloaded(hub: Hub, command: str) -> None:
    result = run(command, "--quant", "Q8_0", *AT_MAIN, env=hub.environment())
    assert (result.returncode, result.stdout) == (3, b"")
    assert b"`distil download --quant Q8_0 --revision main`" in result.stderr
    result = run(command, "--quant", "Q8_0", "--all", env=hub.environment())
    assert result.returncode == 2


def test_remove_asks_and_says_how_much_it_freed(hub: Hub) -> None:
    with terminal("remove", *AT_MAIN, env=hub.environment(), columns=200) as screen:
        screen.wait_for(b"Remove distilgpt2.Q4_K_M.gguf (1.0 MB)? [y/N] ")
        screen.type(b"n\n")
        assert screen.wait() == 0
    assert b"Freed 0.0 MB." in screen.output
    assert cached(hub).exists()
    with terminal("remove", *AT_MAIN, env=hub.environment(), columns=200) as screen:
        screen.wait_for(b"[y/N] ")
        screen.type(b"yes\n")
        assert screen.wait() == 0
    assert b"Freed 1.0 MB." in screen.output
    assert files_below(hub.cache) == []


def test_remove_does_not_ask_without_a_terminal(hub: Hub) -> None:
    result = run("remove", *AT_MAIN, env=hub.environment(), stdin=b"y\n")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"--yes" in result.stderr
    assert cached(hub).exists()


def test_remove_leaves_what_another_revision_shares(hub: Hub) -> None:
    other_commit = "f" * 40
    hub.add(REPOSITORY, {NAME: CONTENT}, commit=other_commit, branch="other")
    assert run("download", "--revision", "other", env=hub.environment()).returncode == 0
    path = cached(hub)
    result = run("remove", *AT_MAIN, "--yes", "--json", env=hub.environment())
    assert json.loads(result.stdout) == {
        "quantization": "Q4_K_M",
        "name": NAME,
        "path": str(path),
        "freed": 0,
    }
    assert not path.exists()
    shared = hub.snapshot(REPOSITORY, other_commit) / NAME
    assert shared.read_bytes() == CONTENT
    result = run("remove", "--revision", "other", "--yes", env=hub.environment())
    assert result.stderr == b"Freed 1.0 MB.\n"
    assert files_below(hub.cache) == []


def test_remove_touches_nothing_else(hub: Hub) -> None:
    snapshot = hub.snapshot(REPOSITORY, COMMIT)
    own = snapshot / "notes.txt"
    own.write_text("mine")
    outside = hub.cache.parent / "outside.gguf"
    outside.write_bytes(b"mine")
    (snapshot / "distilgpt2.Q8_0.gguf").symlink_to(outside)
    result = run("remove", *AT_MAIN, "--all", "--yes", env=hub.environment())
    assert result.returncode == 0
    assert result.stderr == b"Freed 1.0 MB.\n"
    assert outside.read_bytes() == b"mine"
    assert own.read_text() == "mine"
    assert sorted(path.name for path in files_below(snapshot)) == ["notes.txt"]
