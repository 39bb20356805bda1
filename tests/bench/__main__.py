"""``make bench``: the engine beside a bare loop and beside llama-cpp-python's own class.

The three take turns on the same file with the same threads and sampler, and each ratio is the
median of those within a turn, so that a machine whose speed drifts does not decide it. The class
reads all of its text anew for each token, so that its speed depends on the length.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, versions
from distilgpt2_cli.engine.bindings import lib
from distilgpt2_cli.engine.context import default_threads
from distilgpt2_cli.engine.sampling import Sampler
from tests.support import gguf

QUANTIZATIONS = ("Q4_K_M", "Q8_0")
TURNS = {200: 7, 500: 5}  # by the number of tokens
PROMPT = "Once upon a time, in a country far away,"
SEED = 1


@dataclass
class Result:
    """The median speeds of one comparison in tokens/s, and the median ratios."""

    quantization: str
    tokens: int
    turns: int
    threads: int
    tokens_per_second: dict[str, float]
    engine_to: dict[str, float]


def options(tokens: int) -> GenerationOptions:
    """Return the default options for just so many tokens."""
    return GenerationOptions(max_tokens=tokens, ignore_eos=True)


def bare_loop(context: Context, prompt: list[int], tokens: int) -> None:
    """Decode and sample with nothing around: no text, no record of the tokens."""
    context.rewind(0)
    context.evaluate(prompt)
    sampler = Sampler(context, prompt, options(tokens), SEED)
    token = (lib.llama_token * 1)()
    batch = lib.llama_batch_get_one(token, 1)
    for _ in range(tokens - 1):
        token[0] = lib.llama_sampler_sample(sampler.pointer, context.pointer, -1)
        lib.llama_decode(context.pointer, batch)
    lib.llama_sampler_sample(sampler.pointer, context.pointer, -1)
    sampler.close()


def engine(context: Context, prompt: list[int], tokens: int) -> None:
    """Stream a completion as ``distil generate`` does."""
    completion = Generator(context, prompt, options(tokens)).complete(SEED)
    assert sum(1 for _ in completion) == tokens


def high_level_class(path: Path, threads: int) -> Callable[[int], None]:
    """Return a run of ``Llama.create_completion(stream=True)`` for a number of tokens."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=1024, n_threads=threads, seed=SEED, verbose=False)

    def run(tokens: int) -> None:
        chosen = options(tokens)
        chunks: Any = model.create_completion(
            PROMPT,
            max_tokens=tokens,
            temperature=chosen.temperature,
            top_k=chosen.top_k,
            top_p=chosen.top_p,
            min_p=chosen.min_p,
            repeat_penalty=chosen.repetition_penalty,
            logit_bias={gguf.END_OF_TEXT: -100.0},
            stream=True,
        )
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
        assert reasons[-1] == "length"

    return run


def speed(run: Callable[[int], None], tokens: int) -> float:
    """Return tokens/s of one run, the evaluation of the short prompt included."""
    start = time.perf_counter()
    run(tokens)
    return tokens / (time.perf_counter() - start)


def compare(runs: dict[str, Callable[[int], None]], tokens: int, **about: object) -> Result:
    """Let all take their turns."""
    turns = [{name: speed(run, tokens) for name, run in runs.items()} for _ in range(TURNS[tokens])]

    def ratio(name: str) -> float:
        return round(statistics.median(turn["engine"] / turn[name] for turn in turns), 3)

    return Result(
        **about,  # type: ignore[arg-type]
        tokens=tokens,
        turns=len(turns),
        tokens_per_second={
            name: round(statistics.median(turn[name] for turn in turns), 1) for name in runs
        },
        engine_to={name: ratio(name) for name in runs if name != "engine"},
    )


def measure(path: Path, quantization: str) -> list[Result]:
    """Return the comparisons on one file."""
    threads = default_threads()
    with Model(path) as model, Context(model, threads=threads) as context:
        prompt = model.tokenize(PROMPT)
        runs: dict[str, Callable[[int], None]] = {
            "engine": partial(engine, context, prompt),
            "bare loop": partial(bare_loop, context, prompt),
            "Llama class": high_level_class(path, threads),
        }
        for run in runs.values():
            run(20)
        return [
            compare(runs, tokens, quantization=quantization, threads=threads) for tokens in TURNS
        ]


def main() -> None:
    """Print a line of JSON for each comparison, and a table on standard error."""
    print(versions(), file=sys.stderr)
    for quantization in QUANTIZATIONS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            gguf.write(path, gguf.DISTILGPT2, quantization=quantization)
            results = measure(path, quantization)
        for result in results:
            print(json.dumps(asdict(result)), flush=True)
            for name, value in result.tokens_per_second.items():
                beside = (
                    f"engine is {result.engine_to[name]} times it"
                    if name in result.engine_to
                    else ""
                )
                print(
                    f"{quantization:7} {result.tokens:4} tokens  {name:12} {value:7.1f} tokens/s"
                    f"  {beside}",
                    file=sys.stderr,
                )


if __name__ == "__main__":
    main()
