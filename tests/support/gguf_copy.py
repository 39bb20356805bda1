"""Copies of GGUF files with other metadata."""

import struct
from pathlib import Path


def copy_with_number(source: Path, target: Path, key: str, value: int) -> Path:
    """Copy a model, of any quantization, with another unsigned 32-bit number in its metadata.

    The number follows its key and a type of four bytes.
    """
    content = bytearray(source.read_bytes())
    offset = content.index(key.encode()) + len(key) + 4
    content[offset : offset + 4] = struct.pack("<I", value)
    target.write_bytes(content)
    return target


def copy_with_text(source: Path, target: Path, key: str, value: str) -> Path:
    """Copy a model with another text of the same length in its metadata."""
    content = bytearray(source.read_bytes())
    offset = content.index(key.encode()) + len(key) + 12
    assert content[offset - 8 : offset] == struct.pack("<Q", len(value))
    content[offset : offset + len(value)] = value.encode()
    target.write_bytes(content)
    return target


def copy_without(source: Path, target: Path, key: str) -> Path:
    """Copy a model with another name for a key of its metadata, as if it were not there."""
    content = source.read_bytes()
    target.write_bytes(content.replace(key.encode(), key[:-1].encode() + b"x", 1))
    return target
