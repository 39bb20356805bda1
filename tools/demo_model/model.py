"""GPT-2 in PyTorch, with a reduced vocabulary and quantization-aware weights.

Shapes: B batch, T positions, D width, V rows of the embedding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK_SIZE = 32


@dataclass(frozen=True)
class ModelShape:
    """Hyperparameters of a GPT-2.

    Attributes:
        width: size of the hidden state, divisible by 32 and by ``heads``.
        layers: number of blocks.
        heads: attention heads per block.
        context_length: number of learned positions.
    """

    width: int
    layers: int
    heads: int
    context_length: int = 512


def fake_quantize_q4_0(weight: Tensor) -> Tensor:
    """Round ``weight`` as llama.cpp's Q4_0 does, with a straight-through gradient.

    Q4_0 stores blocks of 32 values as 4-bit integers q and one half-precision scale d; the value
    is d * (q - 8), where d = m / -8 for the value m of largest magnitude (quantize_row_q4_0_ref
    in ggml-quants.c). Straight-through: Bengio et al., 2013, https://arxiv.org/abs/1308.3432.
    """
    with torch.no_grad():
        blocks = weight.reshape(-1, BLOCK_SIZE)
        largest = blocks.gather(1, blocks.abs().argmax(dim=1, keepdim=True))
        scale = largest / -8
        inverse = torch.where(scale == 0, 0.0, 1 / scale)
        quants = (blocks * inverse + 8.5).floor().clamp_(0, 15) - 8
        rounded = (quants * scale.half().float()).view_as(weight)
        difference = rounded - weight
    return weight + difference


class QuantizableLinear(nn.Linear):
    """A linear layer whose weight is rounded to Q4_0 while ``quantized`` is set."""

    quantized = False

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        weight = fake_quantize_q4_0(self.weight) if self.quantized else self.weight
        return functional.linear(x, weight, self.bias)


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, shape: ModelShape, dropout: float) -> None:
        """Create the layers of one block."""
        super().__init__()
        self.heads = shape.heads
        self.dropout = dropout
        self.attn_norm = nn.LayerNorm(shape.width)
        self.attn_qkv = QuantizableLinear(shape.width, 3 * shape.width)
        self.attn_output = QuantizableLinear(shape.width, shape.width)
        self.ffn_norm = nn.LayerNorm(shape.width)
        self.ffn_up = QuantizableLinear(shape.width, 4 * shape.width)
        self.ffn_down = QuantizableLinear(4 * shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """Map hidden states [B, T, D] to [B, T, D]."""
        batch, length, width = x.shape
        qkv = self.attn_qkv(self.attn_norm(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        attended = self.attn_output(attended.transpose(1, 2).reshape(batch, length, width))
        x = x + functional.dropout(attended, self.dropout, self.training)
        hidden = functional.gelu(self.ffn_up(self.ffn_norm(x)), approximate="tanh")
        return x + functional.dropout(self.ffn_down(hidden), self.dropout, self.training)


class GPT2(nn.Module):
    """GPT-2 over the tokens that occur in the training text.

    The last row of the embedding stands for every other token: all of them share its value, so
    its logit enters the softmax ``unused_tokens`` times. Copied to each of their rows, it makes
    the model a proper distribution over the full vocabulary.

    Args:
        shape: hyperparameters.
        token_ids: GPT-2 ids of rows 0 … V - 2, ascending.
        unused_tokens: how many tokens the last row stands for.
        dropout: probability, on the output of every sublayer.
    """

    def __init__(
        self, shape: ModelShape, token_ids: Tensor, unused_tokens: int, dropout: float
    ) -> None:
        """Create the model with GPT-2's initialization."""
        super().__init__()
        self.shape = shape
        self.register_buffer("token_ids", token_ids)
        self.token_ids: Tensor
        log_multiplicity = torch.zeros(len(token_ids) + 1)
        log_multiplicity[-1] = math.log(unused_tokens)
        self.register_buffer("log_multiplicity", log_multiplicity, persistent=False)
        self.log_multiplicity: Tensor
        self.token_embd = nn.Parameter(torch.empty(len(token_ids) + 1, shape.width))
        self.position_embd = nn.Parameter(torch.empty(shape.context_length, shape.width))
        self.blocks = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.output_norm = nn.LayerNorm(shape.width)
        self.quantized = False
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deviation = 0.02
                if name.endswith(("attn_output.weight", "ffn_down.weight")):
                    deviation /= math.sqrt(2 * shape.layers)  # as in GPT-2
                nn.init.normal_(parameter, std=deviation)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def set_quantized(self, quantized: bool) -> None:
        """Switch rounding of the embedding and of all matrices to Q4_0 on or off."""
        for module in self.modules():
            if isinstance(module, (QuantizableLinear, GPT2)):
                module.quantized = quantized

    def rows_of(self, tokens: Tensor) -> Tensor:
        """Return the embedding rows of GPT-2 token ids, of the same shape."""
        rows = torch.searchsorted(self.token_ids, tokens).clamp_(max=len(self.token_ids) - 1)
        return torch.where(self.token_ids[rows] == tokens, rows, len(self.token_ids))

    def forward(self, rows: Tensor) -> Tensor:
        """Return log-probabilities [B, T, V] of the rows, for embedding rows [B, T].

        The last is that of all tokens without a row of their own together; each of them has it
        less the last element of ``log_multiplicity``.
        """
        embedding = fake_quantize_q4_0(self.token_embd) if self.quantized else self.token_embd
        x = functional.embedding(rows, embedding) + self.position_embd[: rows.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = functional.linear(self.output_norm(x), embedding).float()
        return functional.log_softmax(logits + self.log_multiplicity, dim=-1)
