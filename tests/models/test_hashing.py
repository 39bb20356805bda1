"""Hashes are those of the Hub, whichever of its two kinds."""

import hashlib
from pathlib import Path

from distilgpt2_cli.models.hashing import matches, sha256


def test_both_kinds_of_object_id(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello\n" * 300_000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256(path) == digest
    assert matches(path, digest)
    assert not matches(path, "0" * 64)
    path.write_bytes(b"hello\n")
    assert matches(path, "ce013625030ba8dba906f756967f9e9ca394464a")  # git hash-object
    assert not matches(path, "0" * 40)
