"""Hours of work in one process, on a small model: memory and open files must not grow.

python -m tests.soak [TOKENS [COMPLETIONS]]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from distilgpt2_cli.engine import GenerationOptions, Request, open_generator
from distilgpt2_cli.terminal.sanitize import visible
from tests.support import gguf

MAX_GROWTH = 2_000_000  # bytes after the first part
PARTS = 10


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    """Return the number of open descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))


def one_long_text(path: Path, tokens: int) -> Iterator[int]:
    """Generate far past the context window; yield the tokens made, now and then."""
    options = GenerationOptions(max_tokens=-1, ignore_eos=True, repetition_penalty=1.1)
    with open_generator(path, options) as generator:
        for count, token in enumerate(generator.complete("Once upon a time", 1), 1):
            visible(token.text)
            if count % (tokens // PARTS) == 0:
                yield count
            if count == tokens:
                return


def many_short_texts(path: Path, completions: int, parallel: int) -> Iterator[int]:
    """Complete many prompts; yield the completions made, now and then."""
    options = GenerationOptions(max_tokens=5, stop=("zzz",))
    requests = (Request(f"Text {i} is", i) for i in range(completions))
    with open_generator(path, options, parallel=parallel) as generator:
        for count, completion in enumerate(generator.complete_all(requests), 1):
            for token in completion:
                visible(token.text)
            if count % (completions // PARTS) == 0:
                yield count


def flat(name: str, work: Callable[[], Iterator[int]]) -> bool:
    """Do some work and tell whether memory and files were the same after its first part."""
    start = time.monotonic()
    memory: list[int] = []
    files: list[int] = []
    done = 0
    for count in work():
        done = count
        memory.append(resident_bytes())
        files.append(open_files())
    growth = max(memory) - memory[0]
    good = growth <= MAX_GROWTH and len(set(files)) == 1
    print(
        f"{name}: {done} in {time.monotonic() - start:.0f} s; resident memory"
        f" {memory[0] / 1e6:.1f} MB after a tenth, {memory[-1] / 1e6:.1f} MB at the end, grown by"
        f" {growth / 1e6:.2f} MB at most; {max(files) - files[0]} files left open:"
        f" {'good' if good else 'BAD'}",
        flush=True,
    )
    return good


def main() -> None:
    """Print what was found; fail if anything grew."""
    given = [int(argument) for argument in sys.argv[1:]]
    tokens, completions = given + [200_000, 10_000][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        path = gguf.write(Path(folder) / "tiny.gguf")
        results = [
            flat("tokens of one text", lambda: one_long_text(path, tokens)),
            flat("texts, one by one", lambda: many_short_texts(path, completions, 1)),
            flat("texts, 8 at a time", lambda: many_short_texts(path, completions, 8)),
        ]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
