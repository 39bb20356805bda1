"""Imported checkpoints beside transformers and PEFT, which have made them.

python -m tests.peers.imported

One line for each kind of checkpoint: how far the logits of what `distil import --quant F32`
makes are from those of transformers in 32 bits, and how many of 5,000 texts have other tokens; and
one for each adapter: how far what it adds is from what PEFT merges, and the logits with it from
those of the merged model.
"""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from distilgpt2_cli.engine import Evaluator, open_evaluator
from distilgpt2_cli.engine.llama.adapters import AdaptedFile, Adapter
from distilgpt2_cli.importing.gpt2 import MATRICES
from tests.peers.texts import ODDITIES, SCRIPTS, random_texts
from tests.support.differences import relative
from tests.support.gguf import vocabulary
from tests.support.gguf_tensors import read
from tests.support.run import run

RANDOM_TEXTS = 5000
SMALL = {"n_layer": 2, "n_embd": 64, "n_head": 2, "n_positions": 128}
_PAD = {"pad_token": "<pad>", "additional_special_tokens": ["<|user|>", "<|bot|>"]}


@dataclass(frozen=True)
class Kind:
    """A kind of checkpoint.

    Attributes:
        name: what it is called here.
        shape: what its configuration changes.
        change: what is done to the model and its tokenizer before they are saved.
        save: arguments of ``save_pretrained``.
        with_head: it is saved with the class that has an output matrix.
    """

    name: str
    shape: dict[str, Any]
    change: Callable[[Any, Any], object] = lambda _model, _tokenizer: None
    save: dict[str, Any] | None = None
    with_head: bool = True


def _add_tokens(model: Any, tokenizer: Any) -> None:
    tokenizer.add_special_tokens(_PAD)
    tokenizer.add_tokens(["zyzzyva", "naïveté x"])
    model.resize_token_embeddings(len(tokenizer))


KINDS = (
    Kind("tied", SMALL),
    Kind("separate output", {**SMALL, "tie_word_embeddings": False}),
    Kind("F16", SMALL, lambda model, _: model.half()),
    Kind("BF16", SMALL, lambda model, _: model.bfloat16()),
    Kind("sharded", SMALL, save={"max_shard_size": "2MB"}),
    Kind("300 positions", {**SMALL, "n_positions": 300}),
    Kind("inner width of its own", {**SMALL, "n_inner": 96}),
    Kind("without head", SMALL, with_head=False),
    Kind("added tokens", SMALL, _add_tokens),
    Kind("unused rows", SMALL, lambda model, _: model.resize_token_embeddings(50304)),
    Kind("DistilGPT2's shape", {"n_layer": 6}),
)


def checkpoint(kind: Kind, folder: Path) -> Path:
    """Save a checkpoint with weights as transformers initialises them, and its tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

    torch.manual_seed(0)
    model_class = GPT2LMHeadModel if kind.with_head else GPT2Model
    model, tokenizer = model_class(GPT2Config(**kind.shape)), _tokenizer(folder)
    kind.change(model, tokenizer)
    target = folder / "model"
    model.save_pretrained(target, **(kind.save or {}))
    tokenizer.save_pretrained(target)
    return target


def _tokenizer(folder: Path) -> Any:
    from transformers import GPT2TokenizerFast

    tokens, merges = vocabulary()
    files = folder / "vocab.json", folder / "merges.txt"
    numbers = {token: number for number, token in enumerate(tokens)}
    files[0].write_text(json.dumps(numbers), encoding="utf-8")
    files[1].write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    return GPT2TokenizerFast(vocab=str(files[0]), merges=str(files[1]))


def import_it(source: Path, *arguments: str) -> Path:
    """Run ``distil import`` in a separate process, and return the path of what it has made."""
    result = run("import", str(source), "--quiet", "--force", *arguments, env=dict(os.environ))
    assert result.returncode == 0, result.stderr.decode()
    return Path(result.stdout.decode().strip())


def line(kind: Kind, folder: Path) -> str:
    """Compare a kind of checkpoint."""
    from transformers import AutoTokenizer

    source = checkpoint(kind, folder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    with open_evaluator(import_it(source, "--quant", "F32")) as evaluator:
        found = logits_beside(evaluator, source)
        texts = (*SCRIPTS, *ODDITIES, *random_texts(RANDOM_TEXTS))
        others = [text for text in texts if _differ(evaluator.model, tokenizer, text)]
    return (
        f"{kind.name}: {found}, other tokens in {len(others)} of {len(texts)} texts"
        f" {others[:3] or ''}"
    )


def logits_beside(evaluator: Evaluator, source: Path) -> str:
    """Say how far logits are from those of transformers, in 32 bits, on random tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    random = np.random.default_rng(0)
    largest = furthest = 0.0
    for count in (1, 7, 60, evaluator.model.window):
        tokens = random.integers(0, model.config.vocab_size, count).tolist()
        ours = np.concatenate([rows.copy() for rows in evaluator.logits(tokens, count)])
        with torch.no_grad():
            theirs = model(torch.tensor([tokens])).logits[0].numpy()
        largest = max(largest, float(relative(ours, theirs).max()))
        furthest = max(furthest, float(np.abs(ours - theirs).max()))
    return f"logits {largest:.2g} (absolute {furthest:.2g})"


def _differ(model: Any, tokenizer: Any, text: str) -> bool:
    theirs = tokenizer(text, split_special_tokens=True)["input_ids"]
    return bool(model.tokenize(text) != theirs)


ADAPTERS: dict[str, dict[str, Any]] = {
    "LoRA": {"r": 4, "lora_alpha": 16, "target_modules": ["c_attn"]},
    "rsLoRA with ranks and alphas of its own": {
        "r": 4,
        "lora_alpha": 16,
        "use_rslora": True,
        "target_modules": ["c_attn", "c_proj", "c_fc"],
        "rank_pattern": {"mlp.c_proj": 2},
        "alpha_pattern": {"c_fc": 3},
    },
}


def adapter_line(name: str, folder: Path) -> str:
    """Compare what an adapter adds with what PEFT merges."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import GPT2LMHeadModel

    base = checkpoint(KINDS[0], folder)
    torch.manual_seed(1)
    config = LoraConfig(task_type="CAUSAL_LM", **ADAPTERS[name])
    model = get_peft_model(GPT2LMHeadModel.from_pretrained(base), config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "lora_B" in key:
                value.normal_(0, 0.05)
    model.save_pretrained(folder / "adapter")
    adapter = import_it(folder / "adapter")
    metadata, pairs = read(adapter)
    model.merge_and_unload().save_pretrained(folder / "merged")
    before, after = (load_file(each / "model.safetensors") for each in (base, folder / "merged"))
    furthest = 0.0
    matrices = sorted({key.rpartition(".")[0] for key in pairs})
    for matrix in matrices:
        a, b = (pairs[f"{matrix}.lora_{side}"].values for side in "ab")
        added = float(metadata["adapter.lora.alpha"]) / len(a) * b @ a
        key = _their_name(matrix)
        merged = (after[key] - before[key]).T
        furthest = max(furthest, float(np.abs(added - merged).max() / np.abs(merged).max()))
    file = AdaptedFile(import_it(base, "--quant", "F32"), (Adapter(adapter),))
    with open_evaluator(file) as evaluator:
        found = logits_beside(evaluator, folder / "merged")
    return f"{name}: {len(matrices)} matrices, {furthest:.2g}; {found}"


def _their_name(matrix: str) -> str:
    _, layer, kind, _ = matrix.split(".")
    theirs = next(name for name, ours in MATRICES.items() if ours == kind)
    return f"transformer.h.{layer}.{theirs}.weight"


def main() -> None:
    """Make and compare all of them, each in a folder of its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_DATA_HOME"] = name
        for kind in KINDS:
            with tempfile.TemporaryDirectory(dir=name) as folder:
                print(line(kind, Path(folder)), flush=True)
        for adapter in ADAPTERS:
            with tempfile.TemporaryDirectory(dir=name) as folder:
                print(adapter_line(adapter, Path(folder)), flush=True)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    main()
