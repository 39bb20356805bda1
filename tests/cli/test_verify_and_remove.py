"""``distil verify`` and ``distil remove``, on a cache that the real client has filled."""

import json
import re
import time
from pathlib import Path

import pytest

from distilgpt2_cli.cli.verify import EXAMPLES
from distilgpt2_cli.engine import ScoredText, Scorer, open_evaluator
from distilgpt2_cli.models.catalog import REPOSITORY
from distilgpt2_cli.models.published import PUBLISHED
from tests.support import gguf, no_links
from tests.support.forked import Run, run_all
from tests.support.hub import COMMIT, FOR_EVER, Fault, Hub
from tests.support.processes import wait_until
from tests.support.run import TIMEOUT, WITHOUT_LINKS, run, started, terminal
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


@pytest.mark.parametrize(
    ("command", "remedy"),
    [("verify", b"`distil download --quant Q8_0 --revision main`"), ("remove", b"`distil models`")],
)
def test_what_is_not_downloaded(hub: Hub, command: str, remedy: bytes) -> None:
    result = run(command, "--quant", "Q8_0", *AT_MAIN, env=hub.environment())
    assert (result.returncode, result.stdout) == (3, b"")
    assert remedy in result.stderr
    result = run(command, "--quant", "Q8_0", "--all", env=hub.environment())
    assert result.returncode == 2


def test_remove_asks_and_says_how_much_it_freed(hub: Hub) -> None:
    with terminal("remove", *AT_MAIN, env=hub.environment(), columns=200) as screen:
        screen.wait_for(b"Remove distilgpt2.Q4_K_M.gguf (1.0 MB)? [y/N] ")
        screen.type(b"n\n")
        assert screen.wait() == 0
    assert b"Freed 0 bytes." in screen.output
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


@pytest.mark.parametrize("launcher", [(), WITHOUT_LINKS])
def test_all_is_of_every_revision_and_leaves_nothing(
    hub: Hub, tmp_path: Path, launcher: tuple[str, ...]
) -> None:
    """No file, no reference and no empty folder, also of downloads that were interrupted."""
    if launcher and not no_links.is_possible():
        pytest.skip("no seccomp here")
    other = "f" * 40
    hub.add(REPOSITORY, {NAME: CONTENT[::-1]}, commit=other, branch="other")
    first, *downloads = run_all(
        [
            Run(["remove", "--all", "--yes"]),
            *(Run(["download", "--revision", each]) for each in ("main", "other", other, "pinned")),
        ],
        hub.environment(), tmp_path, launcher,
    )  # fmt: skip
    assert first.output
    assert [each.status for each in downloads] == [0, 0, 0, 4]
    hub.add(REPOSITORY, {"distilgpt2.Q8_0.gguf": CONTENT}, branch="main")
    hub.fail(Fault(stall_at=1000, stall_seconds=FOR_EVER))
    interrupted = ("download", "Q8_0", *AT_MAIN, "--force")
    with started(*interrupted, env=hub.environment(), launcher=launcher):
        wait_until(lambda: any(path.stat().st_size for path in hub.cache.rglob("*.incomplete")))
    reference = hub.snapshot(REPOSITORY).parents[1] / "refs" / "pr" / "1"
    reference.parent.mkdir()
    reference.write_text(other)
    verified, removed = run_all(
        [Run(["verify", "--all", "--quiet"]), Run(["remove", "--all", "--yes"])],
        hub.environment(), tmp_path, launcher,
    )  # fmt: skip
    assert verified.output.count(": intact: ") == 2
    assert (removed.status, removed.errors) == (0, "Freed 2.1 MB.\n")
    assert removed.output.count("\n") == 3
    assert not hub.cache.parent.exists()


def test_all_asks_with_the_revision_if_there_are_several(hub: Hub) -> None:
    other = "f" * 40
    hub.add(REPOSITORY, {NAME: CONTENT}, commit=other, branch="other")
    assert run("download", "--revision", "other", env=hub.environment()).returncode == 0
    with terminal("remove", "--all", env=hub.environment(), columns=200) as screen:
        screen.wait_for(f"Remove {NAME} of revision {COMMIT[:12]} (1.0 MB)? [y/N] ".encode())
        screen.type(b"y\n")
        screen.wait_for(f"Remove {NAME} of revision {other[:12]} (1.0 MB)? [y/N] ".encode())
        screen.type(b"n\n")
        assert screen.wait() == 0
    assert b"Freed 0 bytes." in screen.output
    assert (hub.snapshot(REPOSITORY, other) / NAME).read_bytes() == CONTENT
    assert not hub.snapshot(REPOSITORY, COMMIT).exists()


def test_a_part_is_removed_by_its_quantization(hub: Hub) -> None:
    """One that a process is downloading stays."""
    hub.add(REPOSITORY, {"distilgpt2.Q8_0.gguf": CONTENT[::-1]})
    hub.fail(Fault(stall_at=1000, stall_seconds=FOR_EVER))
    remove = ("remove", "Q8_0", "--yes")
    with started("download", "Q8_0", *AT_MAIN, env=hub.environment()) as process:
        while sum(path.stat().st_size for path in hub.cache.rglob("*.incomplete")) < 1000:
            time.sleep(0.01)
        kept = run(*remove, env=hub.environment())
        assert kept.stderr == (
            b"distilgpt2.Q8_0.gguf is being downloaded, and was kept.\nFreed 0 bytes.\n"
        )
        assert kept.stdout == b""
        assert list(hub.cache.rglob("*.incomplete"))
        process.kill()
        process.wait(TIMEOUT)
    assert run(*remove, env=hub.environment()).stderr == b"Freed 1.0 kB.\n"
    assert not list(hub.cache.rglob("*.incomplete"))
    assert cached(hub).read_bytes() == CONTENT
    assert run(*remove, env=hub.environment()).returncode == 3


def test_other_programs_files_keep_their_folders(hub: Hub) -> None:
    """Another repository, and a leftover that is not distil's."""
    foreign = hub.cache / "models--another--model" / "refs" / "main"
    foreign.parent.mkdir(parents=True)
    foreign.write_text(COMMIT)
    blob = hub.snapshot(REPOSITORY).parents[1] / "blobs" / f"{'a' * 64}.12345678.incomplete"
    blob.touch()
    assert run("remove", "--all", "--yes", env=hub.environment()).returncode == 0
    assert foreign.exists()
    assert blob.exists()
    assert not hub.snapshot(REPOSITORY).exists()


def test_computing_beside_published_figures(hub: Hub, tmp_path: Path) -> None:
    """On made-up weights; with those of DistilGPT2, the differences are small."""
    path = gguf.write(tmp_path / "made-up.gguf", gguf.Shape(layers=1, width=32))
    hub.add(REPOSITORY, {NAME: path.read_bytes()}, commit="c" * 40)
    assert run(*MAIN, "--force", env=hub.environment()).returncode == 0
    result = run("verify", *AT_MAIN, "--compute", "--quiet", "--json", env=hub.environment())
    record = json.loads(result.stdout)
    computed = record["computed"]
    with open_evaluator(record["path"]) as evaluator:
        model = evaluator.model
        for told, text in zip(computed, PUBLISHED, strict=True):
            tokens = model.tokenize(text.text)
            before = [model.start_token] if text.starts_alone else [tokens.pop(0)]
            scored = ScoredText([*before, *tokens], 1, 0)
            (score,) = Scorer(evaluator).score_together([scored])
            found = [-value for value in score.logprobs.tolist()]
            assert told["found"] == (found if text.starts_alone else [sum(found)])
            assert len(told["published"]) == len(told["found"])
            pairs = zip(told["published"], told["found"], strict=True)
            assert told["difference"] == max(abs(one - other) for one, other in pairs)
    lines = run("verify", *AT_MAIN, "--compute", env=hub.environment()).stdout.decode().splitlines()
    assert lines[1] == (
        f'Q4_K_M: "{PUBLISHED[0].text}" is {computed[0]["difference"]:.3f} nats off in a token\'s'
        " surprisal (the package surprisal)"
    )
    assert len(lines) == 4


def test_computing_with_other_models_and_damaged_files(hub: Hub) -> None:
    result = run("verify", "--repo", "a/b", "--compute", env=hub.environment())
    assert result.returncode == 2
    assert b"--compute knows figures of DistilGPT2 only." in result.stderr
    damage(hub)
    result = run("verify", *AT_MAIN, "--compute", "--quiet", env=hub.environment())
    assert result.stdout.decode() == f"Q4_K_M: damaged: {cached(hub)}\n"
