"""A GPT-2 that says what it is told to: its greedy completion of nothing is a given text.

The logits depend on the position alone: the embeddings of tokens are zero, each position has a
dimension of its own, and the output layer maps it to the token that stands there.
"""

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

from tests.support.gguf import vocabulary

_BYTES = 256


def write(path: Path, pieces: Sequence[bytes], name: str = "a reciter") -> Path:
    """Write a model whose every token is one of these pieces, in this order, then the end of text.

    Args:
        path: of the GGUF file.
        pieces: the bytes of a token each; the prompt is to be empty.
        name: for its metadata.
    """
    own = sorted({piece for piece in pieces if len(piece) > 1})
    end = _BYTES + len(own)
    ids = {bytes([byte]): byte for byte in range(_BYTES)}
    ids |= {piece: _BYTES + index for index, piece in enumerate(own)}
    said = [*(ids[piece] for piece in pieces), end]
    positions = -(-len(said) // 64) * 64
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_name(name)
    writer.add_context_length(positions)
    writer.add_embedding_length(positions)
    writer.add_feed_forward_length(positions)
    writer.add_block_count(1)
    writer.add_head_count(1)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    letters = _alphabet()
    words = [bytes([byte]) for byte in range(_BYTES)] + own
    writer.add_token_list(
        ["".join(letters[byte] for byte in word) for word in words] + ["<|endoftext|>"]
    )
    types = [gguf.TokenType.NORMAL] * end + [gguf.TokenType.CONTROL]
    writer.add_token_types(types)
    writer.add_token_merges([f"{letters[0]} {letters[0]}"])
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    for tensor, values in _weights(said, positions, end + 1).items():
        writer.add_tensor(tensor, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _alphabet() -> list[str]:
    """Return the character that stands for each byte in a GPT-2 vocabulary.

    The bytes that are printable in Latin-1 stand for themselves, the others for U+0100 and on.
    """
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    letters = [chr(byte if byte in plain else next(others)) for byte in range(_BYTES)]
    assert set(letters) <= set(vocabulary()[0])
    return letters


def _weights(said: Sequence[int], positions: int, tokens: int) -> dict[str, np.ndarray]:
    width = positions
    output = np.zeros((tokens, width))
    for position, token in enumerate(said):
        output[token, position] = 1
    weights = {
        "token_embd.weight": np.zeros((tokens, width)),
        "position_embd.weight": np.eye(positions),
        "output_norm.weight": np.ones(width),
        "output_norm.bias": np.zeros(width),
        "output.weight": output,
    }
    for name, rows in (("attn_qkv", 3), ("attn_output", 1), ("ffn_up", 1), ("ffn_down", 1)):
        weights[f"blk.0.{name}.weight"] = np.zeros((rows * width, width))
        weights[f"blk.0.{name}.bias"] = np.zeros(rows * width)
    for name in ("attn_norm", "ffn_norm"):
        weights[f"blk.0.{name}.weight"] = np.ones(width)
        weights[f"blk.0.{name}.bias"] = np.zeros(width)
    return weights
