"""Runs recorded completions again, and compares them with the records."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ...models import ModelFile
from ...workers.chunks import Cutter, texts_to_generate
from ..shared.adapters import adapted
from ..shared.record import logprob_records, model_record, placement_record, versions_record
from .recorded import Recorded

if TYPE_CHECKING:
    from ...engine import Completion, Generator, Token
    from ...engine.replay import OpenModels

_SHOWN = 20  # characters from the first difference on


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference from a record; ``offset`` is in bytes of the text, or in tokens."""

    field: str
    offset: int | None
    expected: Any
    got: Any


def complete_again_and_compare(
    open_models: "OpenModels", file: ModelFile, run: Sequence[Recorded]
) -> Iterator[tuple[Recorded, Difference | None, Mapping[str, Any]]]:
    """Yield each record of a run with its first difference, and what has changed since.

    A change (of versions, processor, model or layers) is a pair: as recorded, and as it is now.
    """
    from ...engine import Request
    from ...engine.replay import complete_again

    first = run[0]
    generator = open_models.generator(
        adapted(file),
        first.options,
        first.parallel,
        first.alternatives,
        flash_attention=first.flash_attention,
    )
    changed = _changes(first.record, file, generator)
    for chunk in _chunks(run):
        requests = [
            Request(
                each.record["prompt"],
                each.record["seed"],
                each.record.get("line", 1),
                options=each.options,
            )
            for each in chunk
        ]
        limits = [each.limit for each in chunk]
        completions = complete_again(generator, requests, limits)
        for recorded, (completion, tokens) in zip(chunk, completions, strict=True):
            yield recorded, _difference(recorded, generator, completion, tokens), changed


def _chunks(run: Sequence[Recorded]) -> Iterator[list[Recorded]]:
    """Yield what was computed together: chunks of whole lines, as far as the records show."""
    lines = [list(each) for _, each in groupby(run, lambda each: each.record.get("line"))]
    cutter = Cutter(texts_to_generate(run[0].parallel, max(map(len, lines))))
    chunk: list[Recorded] = []
    for line in lines:
        chunk += line
        if cutter.ends_after(line[0].record["prompt"]):
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _changes(
    record: Mapping[str, Any], file: ModelFile, generator: "Generator"
) -> dict[str, tuple[Any, Any]]:
    """Return what has changed, each with the recorded and the current value."""
    from ...engine.llama.bindings import features

    then = {"sha256": record["model"].get("sha256"), **record["versions"]}
    current = model_record(file)
    now: dict[str, Any] = {"sha256": current["sha256"], **versions_record()}
    for old, new in zip(record["model"].get("adapters", ()), current["adapters"], strict=True):
        name = f"sha256 of {new['path']}"
        then[name], now[name] = old.get("sha256"), new["sha256"]
    then["cpu_features"], now["cpu_features"] = record.get("cpu_features"), features()
    # Records of before it was used have nothing of it.
    then["flash_attention"] = record["options"].get("flash_attention", False)
    now["flash_attention"] = generator.context.flash_attention
    if isinstance(record.get("placement"), dict):
        then["layers"] = record["placement"].get("layers")
        now["layers"] = placement_record(generator.context.placement)["layers"]
    return {key: (then.get(key), now[key]) for key in now if then.get(key) != now[key]}


def _difference(
    recorded: Recorded,
    generator: "Generator",
    completion: "Completion",
    tokens: Sequence["Token"],
) -> Difference | None:
    from ...engine.replay import interrupted_text

    record = recorded.record
    text = "".join(token.text for token in tokens)
    reason: str | None = completion.finish_reason
    if recorded.was_interrupted and len(tokens) == recorded.token_count:
        # An interruption may have come between the draw of the last token and its text.
        stop = recorded.options.stop
        endings = [interrupted_text(generator, stop, tokens[:end]) for end in (len(tokens), -1)]
        text, reason = endings[0], "interrupted"
        if any(ending.startswith(record["text"]) for ending in endings):
            text = record["text"]
    if text != record["text"]:
        return _of_texts(record["text"], text)
    if reason != record["finish_reason"]:
        return Difference("finish_reason", None, record["finish_reason"], reason)
    if len(tokens) != recorded.token_count:
        return Difference("tokens", None, recorded.token_count, len(tokens))
    if completion.score != record.get("score"):
        return Difference("score", None, record.get("score"), completion.score)
    if recorded.alternatives is None:
        return None
    # Through JSON, which turns tuples into lists.
    made = json.loads(json.dumps(list(logprob_records(generator, tokens))))
    for place, (then, now) in enumerate(zip(record["logprobs"], made, strict=False)):
        if then != now:
            return Difference("logprobs", place, then, now)
    if len(made) != len(record["logprobs"]):
        return Difference("logprobs", None, len(record["logprobs"]), len(made))
    return None


def _of_texts(expected: str, got: str) -> Difference:
    """Return the first difference, in bytes of UTF-8, with the beginning of the rest of each."""
    same = next(
        (at for at, pair in enumerate(zip(expected, got, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(got)),
    )
    then, now = (text[same:].encode(errors="surrogatepass") for text in (expected, got))
    inside = next((at for at, pair in enumerate(zip(then, now)) if pair[0] != pair[1]), 0)  # noqa: B905
    offset = len(expected[:same].encode(errors="surrogatepass")) + inside
    return Difference("text", offset, expected[same : same + _SHOWN], got[same : same + _SHOWN])
