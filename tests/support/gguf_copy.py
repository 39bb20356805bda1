"""Copies of GGUF files with other metadata."""

import struct
from collections.abc import Callable
from pathlib import Path

import gguf


def copy(
    source: Path,
    target: Path,
    add: Callable[[gguf.GGUFWriter], object],
    without: tuple[str, ...] = (),
) -> Path:
    """Copy a model of 32-bit floats, and let ``add`` write more metadata at the end.

    Keys that begin as ``without`` says are left out.
    """
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith(("GGUF.", "general.architecture", *without)):
            continue
        kind = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], kind)
    add(writer)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def copy_with_number(source: Path, target: Path, key: str, value: int) -> Path:
    """Copy a model, of any quantization, with another unsigned 32-bit number in its metadata.

    The number follows its key and a type of four bytes.
    """
    content = bytearray(source.read_bytes())
    offset = content.index(key.encode()) + len(key) + 4
    content[offset : offset + 4] = struct.pack("<I", value)
    target.write_bytes(content)
    return target
