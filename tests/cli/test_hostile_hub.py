"""A Hub, a proxy or another host that answers as none should."""

import json
from pathlib import Path

import pytest

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.fuzz import faulty_hub
from tests.support.extent import cases
from tests.support.hub import COMMIT, Fault, Hub, object_id, serving
from tests.support.proxy import refusing_proxy
from tests.support.run import run, terminal
from tests.support.stock import CONTENT, MAIN, NAME, OTHER, files_below, stock

LIST = ("download", "--repo", OTHER, "--quant", "Q4_K")
SECRET = "hf_secret"


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub with one quantization of DistilGPT2 and another model."""
    return stock(hub)


def refusal(arguments: tuple[str, ...], env: dict[str, str]) -> str:
    """Return the only line of a run that must end with status 3."""
    result = run(*arguments, env=env)
    assert (result.returncode, result.stdout) == (3, b"")
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("Error: ")
    return line


def test_faults_drawn_at_random() -> None:
    """A part of ``make fuzz``; see there."""
    with pytest.raises(SystemExit) as end:
        faulty_hub.fuzz(8, 12345).end()
    assert not end.value.code


@pytest.mark.parametrize("more", [1, len(CONTENT)])
def test_more_than_was_announced_is_not_taken(hub: Hub, more: int) -> None:
    """The length stays the announced one; what follows on the connection is not of the file."""
    hub.fail(Fault(extra=b"x" * more))
    assert run(*MAIN, env=hub.environment()).returncode == 0
    assert (hub.snapshot(REPOSITORY) / NAME).read_bytes() == CONTENT


def test_a_hub_that_hangs_up(hub: Hub) -> None:
    hub.fail(Fault(method="HEAD", hang_up=True))
    line = refusal(MAIN, hub.environment())
    assert line == (
        f"Error: The connection broke during the download from {REPOSITORY}. Run the command again."
    )


def moved(address: str) -> Fault:
    """Return the answer of the Hub for a file that another host keeps."""
    identity = object_id(CONTENT)
    headers = {
        "Location": f"{address}/{REPOSITORY}/resolve/main/{NAME}",
        "X-Repo-Commit": COMMIT,
        "X-Linked-Etag": f'"{identity}"',
        "X-Linked-Size": str(len(CONTENT)),
    }
    return Fault(method=None, status=302, headers=headers)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_file_that_another_host_keeps_is_fetched_without_the_token(
    hub: Hub, tmp_path: Path, host: str
) -> None:
    """As the real Hub does it: the other host, or the other port, is named by the first answer."""
    with serving(tmp_path / "other") as other:
        stock(other)
        hub.fail(moved(other.address.replace("127.0.0.1", host)))
        result = run(*MAIN, env=hub.environment(HF_TOKEN=SECRET))
        assert result.returncode == 0
        assert [request.method for request in other.requests] == ["GET"]
        assert all(SECRET not in str(request.headers) for request in other.requests)
        assert all(SECRET in request.headers["authorization"] for request in hub.requests)
    assert (hub.snapshot(REPOSITORY) / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("method", "location"),
    [
        ("HEAD", f"/{REPOSITORY}/resolve/main/{NAME}"),
        ("GET", f"/{REPOSITORY}/resolve/main/{NAME}"),
        ("GET", "file:///etc/passwd"),
        ("HEAD", "http://["),
        ("HEAD", "//"),
    ],
)
def test_a_redirect_to_nowhere(hub: Hub, method: str, location: str) -> None:
    hub.fail(Fault(method=method, status=302, headers={"Location": location}))
    result = run(*MAIN, env=hub.environment(HF_TOKEN=SECRET))
    assert (result.returncode, result.stdout) == (3, b"")
    last = result.stderr.decode().splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Unexpected error" not in last
    assert files_below(hub.cache) == []


@pytest.mark.parametrize(
    "body",
    cases(
        [b"{", b"null", b'{"siblings": 3}', b'{"siblings": [{}]}', b"\xff", b"[" * 100_000],
        [b"", b"[]"],
    ),
)
def test_a_list_that_is_none(hub: Hub, body: bytes) -> None:
    hub.fail(Fault(target="list", body=body))
    line = refusal(LIST, hub.environment())
    assert line.startswith(
        (f"Error: {hub.address} does not answer like a Hugging Face Hub.", f"Error: {OTHER} has")
    )


def test_names_that_can_t_be_sent(hub: Hub) -> None:
    body = {"id": OTHER, "siblings": [{"rfilename": "\ud800.Q4_K.gguf"}, {"rfilename": None}]}
    hub.fail(Fault(target="list", body=json.dumps(body).encode()))
    assert "characters that can't be sent" in refusal(LIST, hub.environment())


@pytest.mark.parametrize("size", ["-5", "x", "9" * 30])
def test_sizes_that_are_none(hub: Hub, size: str) -> None:
    hub.fail(Fault(method="HEAD", headers={"X-Linked-Size": size}))
    result = run(*MAIN, env=hub.environment())
    assert (result.returncode, result.stdout) == (3, b"")
    assert "Unexpected error" not in result.stderr.decode()
    assert files_below(hub.cache) == []


def test_a_size_for_which_the_disk_has_no_space(hub: Hub) -> None:
    """It is refused before anything is transferred."""
    hub.fail(Fault(method="HEAD", headers={"X-Linked-Size": str(2**60)}))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 1
    assert b"No space left on device. Free some space" in result.stderr
    assert {request.method for request in hub.requests} == {"HEAD"}
    assert files_below(hub.cache) == []


def test_no_output_has_the_token(hub: Hub, tiny: Path) -> None:
    hub.add(REPOSITORY, {NAME: tiny.read_bytes()})
    env = hub.environment(HF_TOKEN=SECRET, HUGGING_FACE_HUB_TOKEN=SECRET, DISTIL_DEBUG="1")
    generate = ("generate", "--revision", "main", "-s", "1", "--max-tokens", "1", "--stats", "Hi")
    for arguments in (
        MAIN, (*MAIN, "--dry-run"), generate, ("models",), ("verify", "--revision", "main"),
        ("remove", "--revision", "main", "--yes"), ("download", "--revision", "none"),
    ):  # fmt: skip
        result = run(*arguments, "--json", env=env)
        assert SECRET.encode() not in result.stdout + result.stderr
        assert result.returncode == 0 or arguments[-1] == "none"


@pytest.mark.parametrize("token", ["hf_secr\u00e9t", "hf_sec\x7fret", "hf_sec ret\nx: y"])
def test_a_token_that_can_t_be_sent_is_not_shown(hub: Hub, token: str) -> None:
    result = run(*MAIN, env=hub.environment(HF_TOKEN=token))
    assert b"hf_sec" not in result.stdout + result.stderr
    assert b"Traceback" not in result.stderr
    assert result.returncode in (0, 3)


def test_the_password_in_an_address_is_not_shown(hub: Hub) -> None:
    address = hub.address.replace("http://", "http://someone:passw0rd@")
    busy = Fault(method="HEAD", status=500, headers={"Retry-After": "99"})
    for fault in (busy, Fault(status=404), Fault(flip_at=9)):
        hub.fail(fault)
        result = run(*MAIN, env=hub.environment(HF_ENDPOINT=address))
        hub.recover()
        assert result.returncode in (3, 4)
        assert b"passw0rd" not in result.stdout + result.stderr
    refused = run(*MAIN, env=hub.environment(HF_ENDPOINT="http://a:passw0rd@127.0.0.1:9"))
    assert refused.stderr.startswith(b"Error: http://127.0.0.1:9 can't be reached")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "{}_PROXY", "{}_proxy"])
def test_a_proxy_that_lets_nobody_through_is_named(
    env: dict[str, str], scheme: str, variable: str
) -> None:
    """By every command that asks the Hub, and never with its password."""
    name = variable.format(scheme if variable.islower() else scheme.upper())
    hub = f"{scheme}://hub.invalid"
    for_all = (name, scheme) == ("ALL_PROXY", "https")
    for status in (403, 404, 407) if for_all else cases([407], [403, 404]):
        with refusing_proxy(status) as proxy:
            proxied = {name: proxy.replace("//", "//me:passw0rd@"), "HF_HUB_OFFLINE": "0"}
            commands = (("download",), ("generate", "Hi"), ("doctor", "--json"))
            results = [
                run(*command, env={**env, **proxied, "HF_ENDPOINT": hub})
                for command in (commands if for_all and status == 407 else commands[:1])
            ]
        named = f"{hub} can't be reached through the proxy {proxy} ({name}): "
        for result in results:
            said = (result.stderr + result.stdout).decode()
            assert named in said
            assert str(status) in said
            assert f"Check {name}, then run the command again." in said
            assert "passw0rd" not in said


def test_a_proxy_without_a_way_to_the_hub_is_named(env: dict[str, str]) -> None:
    with refusing_proxy(502, retries=4) as proxy:
        proxied = {"http_proxy": proxy, "HF_ENDPOINT": "http://hub.invalid", "HF_HUB_OFFLINE": "0"}
        result = run("download", env={**env, **proxied})
    assert result.stderr.count(b"trying again in 0 s.") == 4
    assert result.stderr.decode().splitlines()[-1] == (
        f"Error: http://hub.invalid can't be reached through the proxy {proxy} (http_proxy): it"
        " answered with status 502. Check http_proxy, then run the command again."
    )


def test_what_the_hub_itself_says_is_not_blamed_on_the_proxy(hub: Hub) -> None:
    """An error of the Hub has its mark, also when it comes through a proxy."""
    hub.fail(Fault(status=403, error_code="GatedRepo", method=None))
    # A server gets the address in its first line from a client that takes it for a proxy.
    env = hub.environment(HTTP_PROXY=hub.address, HF_ENDPOINT="http://hub.invalid")
    assert "is gated" in refusal(MAIN, env)


@pytest.mark.parametrize("status", cases([403, 418, 503], [401, 404]))
def test_what_the_hub_says_of_an_error_can_t_act_on_a_terminal(hub: Hub, status: int) -> None:
    evil = "\x9b31m\x85[bold]"
    headers = {"X-Error-Message": evil, "X-Error-Code": evil, "X-HF-Warning": f"a; {evil}"}
    hub.fail(Fault(method=None, status=status, headers=headers | {"Retry-After": "99"}))
    with terminal(*MAIN, env=hub.environment(NO_COLOR="1"), columns=300) as screen:
        assert screen.wait() == 3
    assert b"\x1b" not in screen.output
    assert b"\xc2\x9b" not in screen.output
    assert screen.output.count(b"\n") == 1
