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
