"""What a LoRA adapter costs: the same contexts with it and, its scale being 0, without it."""

import time
from collections.abc import Iterator
from pathlib import Path

from distilgpt2_cli.engine import AdaptedFile, Adapter, Context, GenerationOptions, Model, Request
from distilgpt2_cli.engine.generator import Generator
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, Turn, in_turns, of_turns
from tests.support import adapters, gguf

RANK, TURNS, TOKENS, PROMPT = 8, 7, 100, 256
TENSORS = {"attn_qkv": ("attn_qkv",), "all linear layers": adapters.LINEAR}


def adapted(path: Path, file: str) -> Iterator[Finding]:
    """Group 17: tokens per second with an adapter, by without."""
    for name, tensors in TENSORS.items():
        lora = path.with_suffix(".lora")
        adapters.write(lora, adapters.random_pairs(gguf.DISTILGPT2, 1, RANK, tensors))
        with Model(AdaptedFile(path, (Adapter(lora),))) as model:
            for sequences in (1, 16):
                what = f"of {sequences} with rank {RANK} in {name}, by without"
                with Context(model, None, usable_cores(), sequences) as context:
                    generator = Generator(
                        context, GenerationOptions(max_tokens=TOKENS, ignore_eos=True)
                    )
                    ways = {
                        "with": lambda generator=generator: _generation(generator, 1.0),
                        "without": lambda generator=generator: _generation(generator, 0.0),
                    }
                    found = in_turns(ways, TURNS + 1)[1:]
                    yield of_turns(17, f"tokens/s {what}", file, found, _ratio)
                    if sequences > 1:
                        continue
                    ways = {
                        "with": lambda context=context: _prompt(context, 1.0),
                        "without": lambda context=context: _prompt(context, 0.0),
                    }
                    found = in_turns(ways, TURNS + 1)[1:]
                    yield of_turns(17, f"prompt tokens/s {what}", file, found, _ratio)


def _ratio(turn: Turn) -> float:
    return turn["with"] / turn["without"]


def _generation(generator: Generator, scale: float) -> float:
    generator.scale_adapters([scale])
    requests = [Request(range(100, 110), seed) for seed in range(generator.context.sequences)]
    start = time.perf_counter()
    count = sum(sum(1 for _ in each) for each in generator.complete_all(requests))
    return count / (time.perf_counter() - start)


def _prompt(context: Context, scale: float) -> float:
    context.scale_adapters([scale])
    for _ in range(2):  # the first one makes llama.cpp's buffers anew
        context.rewind(0)
        start = time.perf_counter()
        context.evaluate(range(100, 100 + PROMPT))
    return PROMPT / (time.perf_counter() - start)
