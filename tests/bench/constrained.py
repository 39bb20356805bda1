"""What a grammar costs a completion."""

from collections.abc import Iterator
from pathlib import Path

from distilgpt2_cli.engine import GenerationOptions, Generator, open_generator
from tests.bench.finding import Finding, Turn, of_turns

TOKENS, TURNS = 100, 5
PROMPT = "Once upon a time"
# One that allows most tokens at each step, and one that allows few.
FREE = 'root ::= "\\"" [^"\\\\\\x00-\\x1F]{100,} "\\""\n'
TIGHT = "root ::= ([0-9]{3} [,;])+\n"


def constrained(path: Path, file: str) -> Iterator[Finding]:
    """Group 10: tokens a second under a grammar by those without one, in turns."""
    for what, grammar in (("strings", FREE), ("numbers", TIGHT)):
        for top_k in (50, 0):
            turns: list[Turn] = []
            options = GenerationOptions(max_tokens=TOKENS, top_k=top_k, ignore_eos=True)
            held = GenerationOptions(
                max_tokens=TOKENS, top_k=top_k, ignore_eos=True, grammar=grammar
            )
            with open_generator(path, options, threads=1) as free:
                bound = Generator(free.context, held)
                for seed in range(TURNS):
                    turns.append({"free": _speed(free, seed), "bound": _speed(bound, seed)})
            yield of_turns(
                10,
                f"tokens/s under a grammar of {what} by those without, top-k {top_k}",
                file,
                turns,
                lambda turn: turn["bound"] / turn["free"],
            )


def _speed(generator: Generator, seed: int) -> float:
    completion = generator.complete(PROMPT, seed)
    for _ in completion:
        pass
    return round(completion.token_count / completion.seconds, 1)
