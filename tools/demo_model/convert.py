"""Fourth step: write a checkpoint as GGUF and quantize it.

Example:
    python -m tools.demo_model.convert --model DIR/model.pt --out DIR/demo.gguf --type Q4_0
"""

from __future__ import annotations

import argparse
from pathlib import Path

import llama_cpp.llama_cpp as llama
import numpy as np
import torch
from gguf import GGUFWriter
from numpy.typing import NDArray

from tools.demo_model.gpt2_gguf import ARCHITECTURE, VOCABULARY_SIZE, add_tokenizer
from tools.demo_model.model import GPT2, ModelShape
from tools.demo_model.vocabulary import silence_log

LAYER_NORM_EPSILON = 1e-5
# The quantizations for rows that are divisible by 32, as (file type, tensor type).
QUANTIZATIONS = {
    "Q4_0": (llama.LLAMA_FTYPE_MOSTLY_Q4_0, llama.GGML_TYPE_Q4_0),
    "Q4_1": (llama.LLAMA_FTYPE_MOSTLY_Q4_1, llama.GGML_TYPE_Q4_1),
    "IQ4_NL": (llama.LLAMA_FTYPE_MOSTLY_IQ4_NL, llama.GGML_TYPE_IQ4_NL),
    "Q5_0": (llama.LLAMA_FTYPE_MOSTLY_Q5_0, llama.GGML_TYPE_Q5_0),
    "Q5_1": (llama.LLAMA_FTYPE_MOSTLY_Q5_1, llama.GGML_TYPE_Q5_1),
    "Q8_0": (llama.LLAMA_FTYPE_MOSTLY_Q8_0, llama.GGML_TYPE_Q8_0),
    "F16": (llama.LLAMA_FTYPE_MOSTLY_F16, llama.GGML_TYPE_F16),
}
DESCRIPTION = (
    "A very small GPT-2 that writes simple stories in English. It shows how distil works without "
    "a download; it knows nothing and is no assistant."
)


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


def gguf_tensors(model: GPT2) -> dict[str, NDArray[np.float32]]:
    """Return the tensors under llama.cpp's names, the embedding with a row for every token.

    There is no ``output.weight``: llama.cpp then uses ``token_embd.weight`` for the output too.
    """
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    rows = model.rows_of(torch.arange(VOCABULARY_SIZE)).numpy()
    tensors = {
        "token_embd.weight": weights["token_embd"][rows],
        "position_embd.weight": weights["position_embd"],
    }
    for name, value in weights.items():
        if name.startswith(("blocks.", "output_norm.")):
            tensors[name.replace("blocks.", "blk.")] = value
    return tensors


def write_gguf(model: GPT2, path: Path) -> None:
    """Write the model in 32-bit floats, with the tokenizer and ``general.*`` metadata."""
    shape = model.shape
    writer = GGUFWriter(path, ARCHITECTURE)
    writer.add_type("model")
    writer.add_name("distil demo")
    writer.add_author("The distil authors")
    writer.add_version("1")
    writer.add_description(DESCRIPTION)
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])
    writer.add_tags(["text-generation", "stories", "demo"])
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, "SmolLM2 135M Instruct")
    writer.add_base_model_organization(0, "HuggingFaceTB")
    writer.add_base_model_repo_url(0, "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct")
    writer.add_base_model_description(0, "Teacher: wrote the stories this model was trained on.")
    writer.add_dataset_count(1)
    writer.add_dataset_name(0, "Short stories written by SmolLM2-135M-Instruct (Apache-2.0)")
    writer.add_dataset_description(0, "Made by tools/demo_model in the repository of distil.")
    writer.add_context_length(shape.context_length)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(4 * shape.width)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(LAYER_NORM_EPSILON)
    writer.add_file_type(llama.LLAMA_FTYPE_ALL_F32)
    add_tokenizer(writer)
    for name, tensor in gguf_tensors(model).items():
        writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source: Path, target: Path, name: str) -> None:
    """Quantize every matrix of ``source``, the tied embedding included, to one type.

    Raises:
        RuntimeError: llama.cpp reports a failure.
    """
    file_type, tensor_type = QUANTIZATIONS[name]
    params = llama.llama_model_quantize_default_params()
    params.ftype = file_type
    params.token_embedding_type = tensor_type
    params.output_tensor_type = tensor_type
    params.pure = True
    status = llama.llama_model_quantize(str(source).encode(), str(target).encode(), params)
    if status != 0:
        raise RuntimeError(f"quantizing {source} to {name} failed")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint from train")
    parser.add_argument("--out", type=Path, required=True, help="GGUF file to write")
    parser.add_argument("--type", choices=["F32", *QUANTIZATIONS], default="Q4_0")
    args = parser.parse_args()
    silence_log()
    model = load_model(args.model)
    if args.type == "F32":
        write_gguf(model, args.out)
    else:
        full_precision = args.out.with_suffix(".f32.gguf")
        write_gguf(model, full_precision)
        quantize(full_precision, args.out, args.type)
        full_precision.unlink()
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
