"""Fourth step: write a checkpoint as transformers would, for ``distil import``.

Example:
    python -m tools.demo_model.export --model DIR/model.pt --out DIR/stories
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.demo_model.model import GPT2, ModelShape
from tools.demo_model.vocabulary import END_OF_TEXT, VOCABULARY_SIZE, copy_vocabulary

# The layers of a block, by their names in transformers, where matrices are input by output.
LAYERS = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
CARD = """---
license: apache-2.0
language: en
tags: [text-generation, stories, demo]
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
datasets: [Short stories written by SmolLM2-135M-Instruct (Apache-2.0)]
---
A very small GPT-2 that writes simple stories in English. It shows how distil works without a
download; it knows nothing and is no assistant.
"""


def load_model(path: Path) -> GPT2:
    """Load a checkpoint of ``train``."""
    checkpoint = torch.load(path, weights_only=True)
    weights = checkpoint["weights"]
    token_ids = weights["token_ids"]
    model = GPT2(
        ModelShape(**checkpoint["shape"]), token_ids, VOCABULARY_SIZE - len(token_ids), dropout=0.0
    )
    model.load_state_dict(weights)
    return model.eval()


def exported(model: GPT2) -> dict[str, Tensor]:
    """Return the tensors under transformers' names, the embedding with a row for every token."""
    weights = model.state_dict()
    rows = model.rows_of(torch.arange(VOCABULARY_SIZE))
    tensors = {
        "transformer.wte.weight": weights["token_embd"][rows],
        "transformer.wpe.weight": weights["position_embd"],
    }
    for name, value in weights.items():
        if name.startswith("output_norm."):
            tensors[name.replace("output_norm", "transformer.ln_f")] = value
        elif name.startswith("blocks."):
            _, number, layer, part = name.split(".")
            key = f"transformer.h.{number}.{LAYERS[layer]}.{part}"
            tensors[key] = value.T if value.dim() == 2 else value
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def config(shape: ModelShape) -> dict[str, object]:
    """Return the ``config.json`` of a model."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "n_embd": shape.width,
        "n_head": shape.heads,
        "n_layer": shape.layers,
        "n_positions": shape.context_length,
        "vocab_size": VOCABULARY_SIZE,
        "layer_norm_epsilon": 1e-5,
        "bos_token_id": END_OF_TEXT,
        "eos_token_id": END_OF_TEXT,
        "tie_word_embeddings": True,
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint from train")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    model = load_model(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(exported(model), args.out / "model.safetensors")
    (args.out / "config.json").write_text(json.dumps(config(model.shape), indent=2) + "\n")
    (args.out / "README.md").write_text(CARD)
    copy_vocabulary(args.out)
    print(f"{args.out}: {(args.out / 'model.safetensors').stat().st_size} bytes of weights")


if __name__ == "__main__":
    main()
