"""``distil perplexity --compare`` beside llama.cpp's ``llama-perplexity --kl-divergence``.

    python -m tests.peers.llama_divergence [REFERENCE.gguf MODEL.gguf... TEXT]

By default the demo model in 32-bit floats, files quantized from it, and stories that it has made.
llama.cpp's program keeps the reference's log-probabilities in a file of 16-bit numbers: the column
STORED is what NumPy finds from our logits with that loss. llama.cpp's program computes with flash
attention and evaluates one window at a time here, as distil does.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from distilgpt2_cli.engine import Evaluator, GenerationOptions, Model, disjoint, open_generator
from distilgpt2_cli.engine.llama import log
from distilgpt2_cli.engine.llama.cores import usable_cores
from distilgpt2_cli.models import demo
from tests.bench.processes import DISTIL
from tests.bench.programs import program
from tests.support import gguf

WINDOW = 256
STORIES, TOKENS = 24, 240
QUANTIZATIONS = ("Q8_0", "Q4_0")

Figures = dict[str, float]
_LINE = re.compile(r"^(\S.*?)\s*: +(-?[\d.]+)(?: ± +([\d.]+))? *(%?)", re.MULTILINE)
_NAMES = {
    "Mean PPL(Q)": "perplexity",
    "Mean PPL(base)": "reference_perplexity",
    "Cor(ln(PPL(Q)), ln(PPL(base)))": "correlation",
    "Mean ln(PPL(Q)/PPL(base))": "log_ratio",
    "Mean PPL(Q)/PPL(base)": "ratio",
    "Mean PPL(Q)-PPL(base)": "difference",
    "Mean KLD": "divergence.mean",
    "Mean Δp": "delta_p.mean",
    "RMS Δp": "delta_p.rms",
    "Same top p": "same_top",
}
_QUANTILES = {
    "Maximum": "maximum", "99.9%": "p99_9", "99.0%": "p99", "95.0%": "p95", "90.0%": "p90",
    "75.0%": "p75", "Median": "median", "25.0%": "p25", "10.0%": "p10", "5.0%": "p5",
    "1.0%": "p1", "0.1%": "p0_1", "Minimum": "minimum",
}  # fmt: skip


def llama_figures(reference: Path, model: Path, text: Path, base: Path) -> Figures:
    """Return what llama.cpp's program prints; ``base`` is its file, made if it is missing."""
    if not base.exists():
        _run_llama(reference, "-f", text, "--kl-divergence-base", base)
    printed = _run_llama(model, "--kl-divergence-base", base, "--kl-divergence")
    found: Figures = {}
    for label, value, error, percent in _LINE.findall(printed):
        name = _name(" ".join(label.split()))
        if name:
            scale = 100 if percent else 1
            found[name] = float(value) / scale
            if error:
                found[f"{name} error"] = float(error) / (100 if name in _PERCENT else scale)
    return found


_PERCENT = ("delta_p.mean", "delta_p.rms", "same_top")


def _name(label: str) -> str | None:
    if label in _NAMES:
        return _NAMES[label]
    which, _, what = label.rpartition(" ")
    kind = {"KLD": "divergence", "Δp": "delta_p"}.get(what)
    return f"{kind}.{_QUANTILES[which]}" if kind and which in _QUANTILES else None


def _run_llama(model: Path, *arguments: object) -> str:
    own = ("-c", WINDOW, "-b", WINDOW, "-ub", WINDOW, "-t", usable_cores(), "-fa", "on")
    command = [program("llama-perplexity"), "-m", str(model), *map(str, (*own, *arguments))]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def our_figures(reference: Path, model: Path, text: Path) -> Figures:
    """Return what ``distil perplexity --compare --json`` prints."""
    options = ["--method", "llama.cpp", "--window", str(WINDOW), "--compare", "--json", "--quiet"]
    models = ["--model", str(reference), "--model", str(model)]
    command = [DISTIL[0], "perplexity", *models, *options, str(text)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    record = next(r for r in map(json.loads, printed.splitlines()) if r["comparison"])
    found = {"perplexity": record["perplexity"], "perplexity error": record["standard_error"]}
    return found | dict(_flat(record["comparison"], ""))


def _flat(record: dict[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in record.items():
        if isinstance(value, dict) and "value" in value:
            yield f"{prefix}{name}", value["value"]
            yield f"{prefix}{name} error", value["standard_error"]
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield f"{prefix}{name}", value


def stored_figures(reference: Path, model: Path, text: Path) -> Figures:
    """Return figures of our logits with the reference's as llama.cpp's program stores them."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(Model(path)) for path in (reference, model))
        base, other = (stack.enter_context(Evaluator(each, WINDOW)) for each in (one, two))
        divergences, changes, same, ratios = [], [], [], []
        for window in disjoint(two.tokenize(text.read_text()), WINDOW, two.added_start_token):
            targets = np.array(window.tokens[-window.scored :])
            places = np.arange(window.scored), targets
            (rows,) = base.logits(window.tokens[:-1], window.scored)
            kept = _as_stored(rows)
            (rows,) = other.logits(window.tokens[:-1], window.scored)
            own = rows - rows.max(axis=1, keepdims=True)
            own -= np.log(np.exp(own).sum(axis=1, keepdims=True))
            terms = np.where(kept > -16, np.exp(kept) * (kept - own), 0)
            divergences.append(terms.sum(axis=1, dtype=np.float64))
            changes.append(np.exp(own[places]) - np.exp(kept[places]))
            same.append(kept.argmax(axis=1) == own.argmax(axis=1))
            ratios.append((kept - own)[places].astype(np.float64))
    found = {"log_ratio": float(np.concatenate(ratios).mean())}
    found["same_top"] = float(np.concatenate(same).mean())
    for name, parts in (("divergence", divergences), ("delta_p", changes)):
        values = np.concatenate(parts)
        found[f"{name}.mean"] = float(values.mean())
        for key, fraction in zip(_QUANTILES.values(), _FRACTIONS, strict=True):
            found[f"{name}.{key}"] = float(np.quantile(values, fraction))
    found["delta_p.rms"] = float(np.sqrt(np.square(np.concatenate(changes)).mean()))
    return found


_FRACTIONS = (1, 0.999, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 0)


def _as_stored(rows: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    """Return log-probabilities after the loss of 16-bit numbers over 16 nats at most."""
    highest = rows.max(axis=1, keepdims=True)
    lowest = np.maximum(rows.min(axis=1, keepdims=True), highest - 16)
    sizes = np.log(np.exp(rows - highest).sum(axis=1, keepdims=True))
    scale = (highest - lowest) / np.float32(65535)
    steps = np.rint(np.maximum(rows - lowest, 0) / scale)
    return steps * scale + (lowest - highest - sizes)


def lines(reference: Path, models: Sequence[Path], text: Path, folder: Path) -> Iterator[str]:
    """Yield a line for each figure of each model."""
    base = folder / "base"
    for model in models:
        theirs = llama_figures(reference, model, text, base)
        ours, stored = our_figures(reference, model, text), stored_figures(reference, model, text)
        assert theirs.keys() <= ours.keys(), theirs.keys() - ours.keys()
        for name, value in theirs.items():
            row = f"{model.stem} | {name} | {value:.6f} | {ours[name]:.6f}"
            yield f"{row} | {stored[name]:.6f}" if name in stored else f"{row} | "


def write_stories(model: Path, path: Path) -> None:
    """Write a text that the model has made."""
    options = GenerationOptions(max_tokens=TOKENS, top_k=0)
    with open_generator(model, options) as generator, path.open("w") as file:
        for seed in range(STORIES):
            made = generator.complete("Once upon a time", seed)
            file.write("Once upon a time" + "".join(token.text for token in made) + "\n")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 3:
            reference, *models, text = map(Path, sys.argv[1:])
        else:
            reference, text = folder / "F32.gguf", folder / "stories.txt"
            log.start()
            gguf.dequantize(demo().path, reference)
            models = [folder / f"{each}.gguf" for each in QUANTIZATIONS]
            for each, path in zip(QUANTIZATIONS, models, strict=True):
                gguf.quantize(reference, path, each)
            write_stories(reference, text)
        print("model | figure | llama-perplexity | distil | stored")
        for line in lines(reference, models, text, folder):
            print(line, flush=True)


if __name__ == "__main__":
    main()
