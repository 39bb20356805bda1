"""``distil models`` lists the catalog without asking the Hub."""

import json

from distilgpt2_cli.models.catalog import CATALOG, REPOSITORY, REVISION
from tests.support.hub import Hub
from tests.support.run import run


def test_the_table_has_every_quantization(hub: Hub) -> None:
    result = run("models", env=hub.environment())
    assert result.returncode == 0
    assert result.stderr == b""
    header, *lines, gap, bundled = result.stdout.decode().splitlines()
    assert gap == ""
    assert bundled.endswith("needs no download: --model demo")
    assert header.split() == ["QUANT", "BITS", "SIZE", "DOWNLOADED"]
    assert [line.split()[0] for line in lines] == [entry.quantization for entry in CATALOG]
    assert [line.split() for line in lines if "default" in line] == [
        ["Q4_K_M", "4", "85.0", "MB", "no", "default"]
    ]
    assert hub.requests == []


def test_json_has_one_object_a_quantization(hub: Hub) -> None:
    path = hub.snapshot(REPOSITORY, REVISION) / "distilgpt2.Q2_K.gguf"
    path.parent.mkdir(parents=True)
    path.touch()
    result = run("models", "--json", "--quiet", env=hub.environment())
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["quantization"] for record in records if record["default"]] == ["Q4_K_M"]
    assert records[0] == {
        "quantization": "Q2_K",
        "bits": 2,
        "name": "distilgpt2.Q2_K.gguf",
        "path": str(path),
        "repository": REPOSITORY,
        "revision": REVISION,
        "sha256": CATALOG[0].sha256,
        "size": 65221280,
        "downloaded": True,
        "default": False,
        "bundled": False,
        "imported": None,
        "adapter": False,
    }
    assert not any(record["downloaded"] or record["path"] for record in records[1:-1])
    assert records[-1]["bundled"]
    assert records[-1]["name"] == "demo"
    assert records[-1]["path"].endswith("demo.gguf")
    assert records[-1].keys() == records[0].keys()
