"""lm-evaluation-harness as a process, with tasks made on the spot."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUBJECTS = ("The cat", "A little girl", "Tom", "Lily", "Once upon a time, a bird", "Vögel, 鳥")
CHOICES = (" went to the park", " was very happy", " saw 木 a tree", " ate café 😀", " ran xyzzy")
STOPS = (".", "\n\n", "!", "?", "Tom", "said")
MOST_TOKENS = 12

_TASK = """\
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
output_type: {kind}
test_split: test
"""
_REST = {
    "multiple_choice": """\
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{gold}}"
target_delimiter: ""
metric_list: [{metric: acc}]
""",
    "loglikelihood_rolling": """\
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: bits_per_byte}]
""",
    "generate_until": f"""\
doc_to_text: "{{{{question}}}}"
doc_to_target: "x"
generation_kwargs: {json.dumps({"until": STOPS, "max_gen_toks": MOST_TOKENS, "do_sample": False})}
metric_list: [{{metric: exact_match}}]
""",
}


@dataclass(frozen=True)
class Item:
    """An item of a task with what came of it: a text, or log-likelihoods, one for each choice.

    Attributes:
        arguments: what the model was asked for: context and continuation, or a text.
        answers: what it answered; a log-likelihood comes with whether it is the greedy one.
    """

    arguments: Sequence[Sequence[Any]]
    answers: Sequence[Any]


def make_tasks(folder: Path, items: int, long_text: int = 900) -> None:
    """Write three tasks, of each kind one, with their data.

    Args:
        folder: where.
        items: of the task with choices; the others have fewer.
        long_text: words of a text that is longer than the window.
    """
    draw = random.Random(items)

    def sentence() -> str:
        return draw.choice(SUBJECTS) + draw.choice(CHOICES) + "."

    data: dict[str, list[dict[str, Any]]] = {
        "multiple_choice": [
            {"question": f"{draw.choice(SUBJECTS)} {i}", "choices": draw.sample(CHOICES, 4)}
            | {"gold": i % 4}
            for i in range(items)
        ],
        "loglikelihood_rolling": [
            {"text": " ".join(sentence() for _ in range(count))} for count in (1, 5, long_text // 6)
        ],
        "generate_until": [{"question": f"{subject} said"} for subject in SUBJECTS],
    }
    for kind, records in data.items():
        path = folder / f"{kind}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        task = _TASK.format(name=f"local_{kind}", data=path, kind=kind) + _REST[kind]
        (folder / f"{kind}.yaml").write_text(task)


def evaluate(
    folder: Path, model: str, arguments: Mapping[str, object], batch_size: int, *kinds: str
) -> dict[str, list[Item]]:
    """Run the harness without a network, and return the items of each kind.

    Args:
        folder: that of `make_tasks`.
        model: as the harness names it.
        arguments: of the model.
        batch_size: prompts in a request.
        kinds: of tasks.
    """
    output = folder / f"output-{model}"
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder)}
    command = [
        *(sys.executable, "-m", "lm_eval", "--model", model),
        *("--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())),
        *("--tasks", ",".join(f"local_{kind}" for kind in kinds), "--include_path", str(folder)),
        *("--batch_size", str(batch_size), "--log_samples", "--output_path", str(output)),
    ]
    result = subprocess.run(
        command, env=env, cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "API request failed" not in result.stderr
    return {kind: _items(output, kind) for kind in kinds}


def _items(output: Path, kind: str) -> list[Item]:
    (path,) = output.rglob(f"samples_local_{kind}_*.jsonl")
    records = sorted(map(json.loads, path.read_text().splitlines()), key=lambda r: r["doc_id"])
    return [
        Item(
            [list(each.values()) for each in record["arguments"].values()],
            [answer for (answer,) in record["resps"]],
        )
        for record in records
    ]
