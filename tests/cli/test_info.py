"""``distil info`` says what a file is and what is known of its model, and asks nobody."""

import hashlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf as gguf_format
import pytest

from distilgpt2_cli.models.catalog import CATALOG, REPOSITORY, REVISION
from distilgpt2_cli.models.model_card import DISTILGPT2
from tests.support import gguf
from tests.support.gguf_tensors import Reader
from tests.support.hub import Hub
from tests.support.run import TIMEOUT, run, terminal

HOSTILE = "\x1b]0;owned\x07 [bold]x[/bold] \u202egpj.exe\u2066 \x9b31m"
FORGED = "good\n  licence  MIT\r  heads    99"
SHAPE = gguf.Shape(tokens=5001)  # of the tiny model
STYLES = re.compile(r"\x1b\[[01]m")  # bold, and plain again


def info(*arguments: str, env: dict[str, str]) -> str:
    result = run("info", *arguments, env=env)
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""
    return result.stdout.decode()


def record(*arguments: str, env: dict[str, str]) -> dict[str, Any]:
    (line,) = info(*arguments, "--json", env=env).splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A model with metadata that would like to be more than text."""

    def add(writer: gguf_format.GGUFWriter) -> None:
        writer.add_name(HOSTILE)
        writer.add_license(FORGED)
        writer.add_string(f"evil.{HOSTILE}", "\x1b[2J")
        writer.add_string("evil.long", "y" * 100_000)
        writer.add_tags([HOSTILE, FORGED])
        for name in ("nan", "inf", "-inf"):
            writer.add_float32(f"evil.{name}", float(name))

    return gguf.write(tmp_path / "hostile.gguf", SHAPE, without=("general.name",), add=add)


def test_json_of_a_file(env: dict[str, str], tiny: Path) -> None:
    reader = Reader(tiny)
    answer = record("--model", str(tiny), env=env)
    digest = hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert answer["model"] == {
        "name": "tiny.gguf",
        "path": str(tiny),
        "repository": None,
        "revision": None,
        "sha256": digest,
    }
    elements = sum(int(tensor.n_elements) for tensor in reader.tensors)
    assert answer["parameters"] == elements
    assert answer["tensor_types"] == [
        {
            "type": "f32",
            "tensors": len(reader.tensors),
            "elements": elements,
            "bytes": 4 * elements,
            "bits_per_weight": 32.0,
        }
    ]
    assert answer["tensors"][0] == {
        "name": "token_embd.weight",
        "type": "f32",
        "shape": [64, 5001],
        "bytes": 4 * 64 * 5001,
    }
    assert (answer["downloaded"], answer["download_command"]) == (True, None)
    assert (answer["size"], answer["quantization"]) == (tiny.stat().st_size, "F32")
    assert (answer["context_window"], answer["vocabulary_size"]) == (128, 5001)
    assert (answer["layers"], answer["width"], answer["heads"]) == (2, 64, 2)
    assert (answer["license"], answer["license_source"], answer["model_card"]) == (None, None, None)
    assert answer["metadata"]["tokenizer.ggml.tokens"] == {
        "type": "str",
        "length": 5001,
        "values": None,
    }
    assert answer["versions"].keys() == {"distil", "llama_cpp_python", "llama_cpp"}


def test_the_page_of_the_demo_model(env: dict[str, str]) -> None:
    page = info("--model", "demo", env=env)
    assert page.startswith("demo\n  path ")
    for line in (
        "  parameters      9,979,040 (10.0M)",
        "  context window  512 tokens",
        "  tokenizer       byte-level BPE (gpt2, gpt-2)",
        "  licence         apache-2.0 (from the metadata)",
        "Quantization: Q4_0",
        "q4_0        25  9,884,320  5,559,930         4.50",
        "total       76  9,979,040  5,938,810         4.76",
        "  gpt2.attention.layer_norm_epsilon  1e-05",
        "  tokenizer.ggml.tokens              array of 50,257 str",
        "  general.languages                  [en]",
    ):
        assert line in page.splitlines()
    assert "is not a substitute for DistilGPT2" in page


def test_the_trained_model(env: dict[str, str], trained: Path) -> None:
    answer = record("-m", str(trained), env=env)
    assert (answer["architecture"], answer["parameters"]) == ("llama", 134_515_008)
    assert (answer["license"], answer["license_source"]) == ("apache-2.0", "metadata")
    assert {kind["type"] for kind in answer["tensor_types"]} == {"q4_1", "q8_0", "f32"}


def test_lines_fit_a_pipe_and_a_terminal(env: dict[str, str]) -> None:
    assert all(fits(line, 80) for line in info("--quiet", env=env).splitlines())
    for columns in (50, 200):
        with terminal("info", env=env, columns=columns) as screen:
            assert screen.wait() == 0
        lines = STYLES.sub("", screen.output.decode()).splitlines()
        assert all(fits(line, min(columns, 100)) for line in lines)
        assert max(map(len, lines)) > min(columns, 80) - 10


def fits(line: str, columns: int) -> bool:
    """Tell whether a line is no longer than this, but for one word that stands alone."""
    return len(line) <= columns or len(line.split()) <= 2


def test_headings_are_bold_where_colours_are_allowed(env: dict[str, str]) -> None:
    with terminal("info", env=env) as screen:
        assert screen.wait() == 0
    assert b"\x1b[1mIntended uses\x1b[0m\r\n" in screen.output
    with terminal("info", env={**env, "NO_COLOR": "1"}) as screen:
        assert screen.wait() == 0
    assert b"\nIntended uses\r\n" in screen.output
    assert b"\x1b" not in screen.output
    assert "\x1b" not in info(env=env)


def test_hostile_metadata_on_a_terminal(env: dict[str, str], hostile: Path) -> None:
    with terminal("info", "-m", str(hostile), env=env, columns=200) as screen:
        assert screen.wait() == 0
    output = STYLES.sub("", screen.output.decode()).replace("\r\n", "\n")
    assert all(character.isprintable() for character in output.replace("\n", ""))
    shown = r"\x1b]0;owned\x07 [bold]x[/bold] \u202egpj.exe\u2066 \x9b31m"
    assert f"  name            {shown}\n" in output
    assert f"  evil.{shown}\n" in output
    assert_not_forged(output)


def test_hostile_metadata_in_a_pipe(env: dict[str, str], hostile: Path) -> None:
    page = info("-m", str(hostile), env=env)
    assert f"  name            {HOSTILE}\n" in page
    assert "\x1b[2J\n" in page
    assert_not_forged(page)


def assert_not_forged(page: str) -> None:
    """No value makes lines of its own, and none is endless."""
    assert re.findall(r"^ +(?:heads|licence) .*", page, re.MULTILINE) == [
        "  heads           2",
        r"  licence         good\n  licence  MIT\r  heads    99 (from the metadata)",
    ]
    assert f"{'y' * 200}… (100,000 characters)" in " ".join(page.split())
    assert len(page) < 20_000


def test_hostile_metadata_in_json(env: dict[str, str], hostile: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    (line,) = info("-m", str(hostile), "--json", env=env).splitlines()
    assert line.isascii()
    answer = json.loads(line, parse_constant=refuse)
    assert answer["metadata"]["general.name"] == HOSTILE
    assert answer["license"] == FORGED
    assert answer["metadata"][f"evil.{HOSTILE}"] == "\x1b[2J"
    assert answer["metadata"]["evil.long"] == "y" * 100_000
    assert answer["metadata"]["general.tags"]["values"] == [HOSTILE, FORGED]
    for name in ("nan", "inf", "-inf"):
        assert str(float(answer["metadata"][f"evil.{name}"])) == name


def refused(env: dict[str, str], path: Path) -> str:
    for arguments in ([], ["--json"]):
        result = run("info", "-m", str(path), *arguments, env=env)
        assert (result.returncode, result.stdout) == (4, b"")
        errors = result.stderr.decode()
        assert errors.startswith("Error: ")
        assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "failed to read magic"), (b"Hello, I am a text file.\n", "invalid magic")],
)
def test_what_is_no_model(env: dict[str, str], tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(content)
    assert reason in refused(env, path)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.99])
def test_a_truncated_file(env: dict[str, str], tmp_path: Path, tiny: Path, part: float) -> None:
    """Also where the header is whole, and only weights are missing."""
    content = tiny.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(content[: math.floor(part * len(content))])
    refused(env, path)


def test_a_missing_tensor(env: dict[str, str], tmp_path: Path, tiny: Path) -> None:
    path = tmp_path / "renamed.gguf"
    path.write_bytes(tiny.read_bytes().replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_UP.weight"))
    assert "tensor 'blk.1.ffn_up.weight' not found" in refused(env, path)


def test_a_model_that_is_not_causal(env: dict[str, str], tmp_path: Path) -> None:
    path = gguf.write(
        tmp_path / "future.gguf", SHAPE, add=lambda writer: writer.add_causal_attention(False)
    )
    assert "is not a causal language model" in refused(env, path)


def test_files_damaged_at_random() -> None:
    """A part of ``make fuzz``; see there."""
    command = [sys.executable, "-m", "tests.fuzz.damaged_models", "10", "54321", "info"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith("files mutated: 10 ")


def test_no_file(env: dict[str, str]) -> None:
    result = run("info", "-m", "no.gguf", env=env)
    assert (result.returncode, result.stdout) == (3, b"")


def test_what_is_not_downloaded(hub: Hub) -> None:
    env = hub.environment()
    page = info(env=env)
    (default,) = [entry for entry in CATALOG if entry.quantization == "Q4_K_M"]
    assert page.splitlines()[:6] == [
        "distilgpt2.Q4_K_M.gguf: not downloaded",
        f"  repository   {REPOSITORY}",
        f"  revision     {REVISION}",
        "  size         85.0 MB (84,967,328 bytes)",
        f"  SHA-256      {default.sha256}",
        "  to download  distil download --quant Q4_K_M",
    ]
    for section in DISTILGPT2.sections.values():
        assert f"\n{section.title}\n" in page
    assert DISTILGPT2.source is not None
    assert DISTILGPT2.source in page
    assert hub.requests == []


def test_json_of_what_is_not_downloaded(hub: Hub, env: dict[str, str]) -> None:
    absent = record("--quant", "q8_0", env=hub.environment())
    assert hub.requests == []
    assert (absent["downloaded"], absent["quantization"]) == (False, "Q8_0")
    assert absent["download_command"] == "distil download --quant Q8_0"
    assert (absent["size"], absent["parameters"], absent["tensors"]) == (132303872, None, None)
    assert absent["model"]["path"] is None
    assert absent["model"]["sha256"] == CATALOG[-1].sha256
    assert (absent["license"], absent["license_source"]) == ("apache-2.0", "model card")
    card = absent["model_card"]
    assert list(card["sections"]) == list(DISTILGPT2.sections)
    assert "149.2 kg CO2 eq." in card["sections"]["emissions"]
    present = record("--model", "demo", env=env)
    assert present.keys() == absent.keys()
    assert present["model_card"].keys() == card.keys()


def test_a_revision_that_the_catalog_does_not_know(hub: Hub) -> None:
    absent = record("--revision", "main", "--offline", env=hub.environment())
    assert (absent["model"]["revision"], absent["model"]["sha256"]) == ("main", None)
    assert (absent["size"], absent["license"]) == (None, "apache-2.0")
    assert absent["download_command"] == "distil download --quant Q4_K_M --revision main"
    assert hub.requests == []


def test_distilgpt2_downloaded(hub: Hub, tiny: Path) -> None:
    """Its file has the embedding twice, once as the output, which llama.cpp counts again."""
    hub.add(REPOSITORY, {"distilgpt2.Q4_K_M.gguf": tiny.read_bytes()})
    env = hub.environment()
    assert run("download", "--revision", "main", "--quiet", env=env).returncode == 0
    hub.requests.clear()
    answer = record("--revision", "main", env=env)
    assert (answer["downloaded"], answer["license_source"]) == (True, "model card")
    assert answer["model_card"]["source"] == DISTILGPT2.source
    page = info("--revision", "main", env=env)
    output = 64 * 5001
    parameters = sum(tensor.size for tensor in gguf.weights(SHAPE, seed=0).values())
    words = " ".join(page.split())
    assert f"{parameters:,} (748K), as llama.cpp counts: {parameters - output:,} (428K)" in words
    assert f"{output:,} of output.weight" in words
    assert "licence apache-2.0 (from the model card)" in words
    assert hub.requests == []


def test_another_repository_s_file_that_is_not_here(hub: Hub) -> None:
    result = run("info", "--repo", "some/models", env=hub.environment())
    assert (result.returncode, result.stdout) == (3, b"")
    assert result.stderr.decode() == (
        "Error: Q4_K_M of some/models is not downloaded."
        " Run `distil download --quant Q4_K_M --repo some/models`.\n"
    )
    assert hub.requests == []


def test_another_repository_s_file(hub: Hub, tiny: Path) -> None:
    hub.add("some/models", {"m.F32.gguf": tiny.read_bytes()})
    options = ("--repo", "some/models", "--quant", "F32")
    env = hub.environment()
    assert run("download", *options, "--quiet", env=env).returncode == 0
    answer = record(*options, env=env)
    assert (answer["model"]["repository"], answer["model_card"]) == ("some/models", None)


def test_the_citation_is_a_bibtex_entry(env: dict[str, str]) -> None:
    entry = info("--citation", env={**env, "DISTIL_MODEL": "no such file"})
    assert entry.startswith("@inproceedings{sanh2019distilbert,\n")
    assert entry.endswith("\n}\n")
    depths = [entry[:end].count("{") - entry[:end].count("}") for end in range(len(entry) + 1)]
    assert min(depths[1:-2]) >= 0
    assert depths[-1] == 0
    found = dict(re.findall(r"^  (\w+)=\{(.*)\},?$", entry, re.MULTILINE))
    assert found == {
        "title": "DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter",
        "author": "Sanh, Victor and Debut, Lysandre and Chaumond, Julien and Wolf, Thomas",
        "booktitle": "NeurIPS EMC^2 Workshop",
        "year": "2019",
    }
    assert record(env=env)["model_card"]["citation"] + "\n" == entry


@pytest.mark.parametrize(
    "arguments",
    [
        ["--citation", "--json"],
        ["--citation", "--model", "demo"],
        ["--citation", "--repo", "some/models"],
        ["--model", "demo", "--quant", "Q8_0"],
        ["--quant", "Q9"],
    ],
)
def test_what_is_wrong_usage(env: dict[str, str], arguments: list[str]) -> None:
    result = run("info", *arguments, env=env)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"Error: ")
