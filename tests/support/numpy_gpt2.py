"""A GPT-2 in plain NumPy and 64-bit floats, written from the papers' equations.

It shares no code with llama.cpp or the engine, so that both can be held against it. The model is
that of Radford et al. 2019, "Language Models are Unsupervised Multitask Learners": the decoder of
Vaswani et al. 2017 (arXiv:1706.03762) with layer norms (Ba et al. 2016, arXiv:1607.06450) before
each sublayer and after the last one, GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415) in its
tanh form, and learned positions. A file without an output matrix uses the embedding for it (Press
and Wolf 2017, arXiv:1608.05859).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .gguf_tensors import Array, Tensor, read


class Arithmetic:
    """How the three steps are computed that a subclass may round: here to the last bit."""

    def product(self, states: Array, matrix: Tensor) -> Array:
        """Multiply each row of the states with the matrix."""
        product: Array = states @ matrix.values.T
        return product

    def attention(self, queries: Array, keys: Array, values: Array) -> Array:
        """Mix the values for each token; all have the shape (heads, tokens, width of a head)."""
        mixed: Array = attention_weights(queries, keys) @ values
        return mixed

    def gelu(self, states: Array) -> Array:
        """Return x·Φ(x) with the tanh approximation of the normal distribution function Φ."""
        x = states
        phi: Array = (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x))) / 2
        return x * phi


class ReferenceInside(NamedTuple):
    """What a model computes on the way; see `distilgpt2_cli.engine.Inside` for the numbering.

    Attributes:
        hidden_states: layers + 1 by tokens by width, the last one after the final layer norm.
        attentions: layers by heads by tokens by tokens.
        lens: logits of the logit lens, layers + 1 by tokens by vocabulary.
    """

    hidden_states: Array
    attentions: Array
    lens: Array


class ReferenceGPT2:
    """A model from a GGUF file, its tensors dequantized.

    Attributes:
        heads: attention heads of a layer.
        layers: how many there are.
        width: of a hidden state.
        window: positions.
        vocabulary_size: tokens.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        heads: int,
        epsilon: float,
        arithmetic: Arithmetic | None = None,
    ) -> None:
        """Take the tensors by their GGUF names, and the number that layer norms add."""
        self._tensors = tensors
        self._epsilon = epsilon
        self._arithmetic = arithmetic or Arithmetic()
        self.heads = heads
        self.layers = sum(name.endswith(".attn_qkv.weight") for name in tensors)
        self.vocabulary_size = len(tensors["token_embd.weight"].data)
        self.width = len(tensors["output_norm.bias"].values)
        self.window = len(tensors["position_embd.weight"].values)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "ReferenceGPT2":
        """Read a file of the architecture ``gpt2``."""
        metadata, tensors = read(path)
        return cls(
            tensors,
            int(metadata["gpt2.attention.head_count"]),
            float(metadata["gpt2.attention.layer_norm_epsilon"]),
        )

    def computed_with(self, arithmetic: Arithmetic) -> "ReferenceGPT2":
        """Return the same model with another arithmetic."""
        return ReferenceGPT2(self._tensors, self.heads, self._epsilon, arithmetic)

    def hidden_states(self, tokens: Sequence[int]) -> Array:
        """Return the states after the final layer norm, of the shape (tokens, width).

        Raises:
            ValueError: there are no tokens, or more than the window has.
        """
        *_, states = self._states(tokens)
        return self._norm("output_norm", states)

    def logits(self, tokens: Sequence[int]) -> Array:
        """Return the logits of the token after each, of the shape (tokens, vocabulary)."""
        return self._output(self.hidden_states(tokens))

    def look_inside(self, tokens: Sequence[int]) -> ReferenceInside:
        """Return what is computed between the embeddings and the logits."""
        states = list(self._states(tokens))
        normed = [self._norm("output_norm", each) for each in states]
        attentions = []
        for layer in range(self.layers):
            block = f"blk.{layer}."
            projected = self._projected(block, self._norm(block + "attn_norm", states[layer]))
            attentions.append(attention_weights(*projected[:2]))
        return ReferenceInside(
            np.stack([*states[:-1], normed[-1]]),
            np.stack(attentions),
            np.stack([self._output(each) for each in normed]),
        )

    def log_probabilities(self, tokens: Sequence[int]) -> Array:
        """Return the natural logarithms of the probabilities, of the same shape as `logits`."""
        return log_softmax(self.logits(tokens))

    def token_log_probabilities(
        self, tokens: Sequence[int], window: int | None = None, stride: int | None = None
    ) -> Array:
        """Return the log-probability of each token after the first, by windows that slide.

        A window (by default of all positions that the model has) starts every ``stride`` (by
        default half a window) tokens, and those are scored that no window before has scored,
        given what stands before them in their window. This is how transformers' documentation
        measures the perplexity of a model with a fixed length. The first token of a window has
        nothing before it: where no other window scores it (``stride`` = ``window``), it is left
        out.
        """
        size = window or self.window
        scores: list[Array] = [np.empty(0)]
        seen = 1
        for start in range(0, len(tokens), stride or size // 2):
            part = tokens[start : start + size]
            targets = np.arange(max(seen - start, 1), len(part))
            rows = self.log_probabilities(part)[targets - 1]
            scores.append(np.take_along_axis(rows, np.asarray(part)[targets, None], 1)[:, 0])
            seen = start + len(part)
            if seen == len(tokens):
                break
        return np.concatenate(scores)

    def perplexity(
        self, tokens: Sequence[int], window: int | None = None, stride: int | None = None
    ) -> float:
        """Return exp of the mean nats of a token, by `token_log_probabilities`."""
        return float(np.exp(-self.token_log_probabilities(tokens, window, stride).mean()))

    def _states(self, tokens: Sequence[int]) -> Iterator[Array]:
        """Yield the embeddings, and then what each block gives."""
        if not 0 < len(tokens) <= self.window:
            raise ValueError(f"{len(tokens)} tokens, where 1 to {self.window} fit")
        states = (
            self._tensors["token_embd.weight"].rows(tokens)
            + self._tensors["position_embd.weight"].values[: len(tokens)]
        )
        yield states
        for layer in range(self.layers):
            block = f"blk.{layer}."
            states = states + self._attention(block, self._norm(block + "attn_norm", states))
            states = states + self._feed_forward(block, self._norm(block + "ffn_norm", states))
            yield states

    def _output(self, states: Array) -> Array:
        tied = "output.weight" not in self._tensors
        matrix = self._tensors["token_embd.weight" if tied else "output.weight"]
        return self._arithmetic.product(states, matrix)

    def _projected(self, block: str, states: Array) -> Array:
        """Return queries, keys and values, each of the shape (heads, tokens, width of a head)."""
        projected = self._affine(block + "attn_qkv", states)
        split = projected.reshape(len(states), 3, self.heads, self.width // self.heads)
        return split.transpose(1, 2, 0, 3)

    def _attention(self, block: str, states: Array) -> Array:
        mixed = self._arithmetic.attention(*self._projected(block, states))
        return self._affine(block + "attn_output", mixed.transpose(1, 0, 2).reshape(states.shape))

    def _feed_forward(self, block: str, states: Array) -> Array:
        inner = self._arithmetic.gelu(self._affine(block + "ffn_up", states))
        return self._affine(block + "ffn_down", inner)

    def _affine(self, name: str, states: Array) -> Array:
        product = self._arithmetic.product(states, self._tensors[name + ".weight"])
        return product + self._tensors[name + ".bias"].values

    def _norm(self, name: str, states: Array) -> Array:
        scale, shift = (self._tensors[name + part].values for part in (".weight", ".bias"))
        return layer_norm(states, self._epsilon) * scale + shift


def layer_norm(states: Array, epsilon: float) -> Array:
    """Bring each row to mean 0 and variance 1 (that of all its values, not of a sample)."""
    centred: Array = states - states.mean(-1, keepdims=True)
    variance: Array = (centred**2).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon)


def attention_weights(queries: Array, keys: Array) -> Array:
    """Return softmax(QKᵀ/√d) over each token and those before it: (heads, tokens, tokens)."""
    scores = queries @ keys.transpose(0, 2, 1) / np.sqrt(queries.shape[-1])
    scores[:, ~np.tri(scores.shape[-1], dtype=bool)] = -np.inf
    weights: Array = np.exp(log_softmax(scores))
    return weights


def log_softmax(rows: Array) -> Array:
    """Return the logarithm of the softmax of each row."""
    shifted: Array = rows - rows.max(-1, keepdims=True)
    total: Array = np.exp(shifted).sum(-1, keepdims=True)
    return shifted - np.log(total)
