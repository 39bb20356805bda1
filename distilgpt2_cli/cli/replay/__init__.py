"""``distil replay``: whether recorded completions come out the same again."""

import json as json_module
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import DistilError, ModelUnavailableError, UsageError
from ...models import DEMO, ModelFile, ModelReference, demo, find, local
from ...models.names import models
from ...signals import results_pending
from ...terminal import Terminal
from ..shared.model import model_record
from ..shared.options import Json, Quiet, Threads, parse_threads
from ..shared.placement import Devices, GpuLayers, parse_offload, placement_record
from .recorded import Recorded, is_whole, read_records, runs

if TYPE_CHECKING:
    from ...engine import Completion, Generator, Token
    from ...engine.replay import OpenModels

EXAMPLES = """\b
Examples:
  distil generate --json --seed 1 "Once upon a time" > record.jsonl
  distil replay record.jsonl
  distil replay --json record.jsonl | jq 'select(.result == "differs")'
  distil replay --model other.gguf - < record.jsonl
"""

_MAX_LINE = 2**26  # bytes; a prompt may have 2^20 characters, and tokens their log-probabilities
_SHOWN = 20  # characters from the first difference on


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not as recorded; ``offset`` is in bytes of the text, or in tokens."""

    field: str
    offset: int | None
    expected: Any
    got: Any


def replay(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Records of generate --json; - for standard input.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="PATH",
            help="Run them on this GGUF file, or on demo, instead of the recorded ones.",
            show_default=False,
        ),
    ] = None,
    threads: Threads = "auto",
    gpu_layers: GpuLayers = "auto",
    device: Devices = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run recorded completions again and compare them with what was recorded.

    Each record gives a line: ok, or what differs first and why that may be. The exit status is 1
    if any differs.
    """
    terminal = Terminal.system(quiet=quiet)
    thread_count = parse_threads(threads)
    offload = parse_offload(gpu_layers, device)
    other = None if model is None else demo() if model == DEMO else local(Path(model))
    count = different = 0
    from ...engine.replay import OpenModels

    with (
        OpenModels(thread_count, offload) as open_models,
        results_pending(),
    ):
        for run in runs(read_records(_lines(terminal, file))):
            found = other or _locate(run[0])
            for record, difference, changed in _again(open_models, found, run):
                count, different = count + 1, different + (difference is not None)
                _show(terminal, record, difference, changed, is_whole(run), json)
    if not count:
        raise UsageError(
            f"{'Standard input' if file == '-' else file} has no records.",
            "Give lines that `distil generate --json` has printed.",
        )
    if different:
        raise DistilError(
            f"{different} of {count} records came out otherwise.",
            "The lines on standard output say where, and what has changed since.",
        )
    terminal.notice(f"{count} of {count} records came out the same.")


def _lines(terminal: Terminal, name: str) -> Iterator[bytes | None]:
    if name == "-":
        yield from terminal.read_lines(_MAX_LINE)
        return
    try:
        with Path(name).open("rb") as opened:
            while line := opened.readline(_MAX_LINE + 1):
                yield line if len(line) <= _MAX_LINE else None
    except OSError as error:
        raise UsageError(
            f"The file {name} can't be read: {error.strerror}.", "Check its name and rights."
        ) from None


def _locate(recorded: Recorded) -> ModelFile:
    """Return the file that a record names: of the Hub's cache, the demo model, or at its path.

    Raises:
        ModelUnavailableError: it is not here.
    """
    named = recorded.record["model"]
    name, path = named["name"], named.get("path")
    repository, revision = named.get("repository"), named.get("revision")
    if repository is None and name == DEMO:
        return demo()
    remedy = "Give another one with --model."
    if isinstance(repository, str) and isinstance(revision, str) and name in models([name]):
        reference = ModelReference(models([name])[name], repository, revision)
        found = find(reference)
        if found and found.name == name:
            return found
        remedy = f"Run `{reference.download_command}`, or give another one with --model."
    if isinstance(path, str) and Path(path).is_file():
        return local(Path(path))
    raise ModelUnavailableError(
        f"Line {recorded.number}: its model, {path or name}, is not on this machine.", remedy
    )


def _again(
    open_models: "OpenModels", file: ModelFile, run: Sequence[Recorded]
) -> Iterator[tuple[Recorded, Difference | None, Mapping[str, Any]]]:
    from ...engine import Request
    from ...engine.replay import complete_again

    first = run[0]
    generator = open_models.generator(file.path, first.options, first.parallel, first.alternatives)
    changed = _changes(first.record, file, generator)
    requests = [Request(each.record["prompt"], each.record["seed"]) for each in run]
    limits = [each.token_count if each.was_interrupted else None for each in run]
    completions = complete_again(generator, requests, limits)
    for recorded, (completion, tokens) in zip(run, completions, strict=True):
        yield recorded, _difference(recorded, generator, completion, tokens), changed


def _changes(
    record: Mapping[str, Any], file: ModelFile, generator: "Generator"
) -> dict[str, tuple[Any, Any]]:
    """Return what is not as it was, each with what was recorded and what is now."""
    from ...engine.llama.bindings import features
    from ..generate.views import versions_record

    then = {"sha256": record["model"].get("sha256"), **record["versions"]}
    now: dict[str, Any] = {"sha256": model_record(file)["sha256"], **versions_record()}
    then["cpu_features"], now["cpu_features"] = record.get("cpu_features"), features()
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
    from ..generate.views import logprob_records

    record = recorded.record
    text = "".join(token.text for token in tokens)
    reason: str | None = completion.finish_reason
    if recorded.was_interrupted and len(tokens) == recorded.token_count:
        # An interruption may have come between the draw of the last token and its text.
        endings = [interrupted_text(generator, tokens[:end]) for end in (len(tokens), -1)]
        text, reason = endings[0], "interrupted"
        if any(ending.startswith(record["text"]) for ending in endings):
            text = record["text"]
    if text != record["text"]:
        return _of_texts(record["text"], text)
    if reason != record["finish_reason"]:
        return Difference("finish_reason", None, record["finish_reason"], reason)
    if len(tokens) != recorded.token_count:
        return Difference("tokens", None, recorded.token_count, len(tokens))
    if recorded.alternatives is None:
        return None
    # As JSON has them: pairs and tuples become lists.
    made = json_module.loads(json_module.dumps(list(logprob_records(generator, tokens))))
    for place, (then, now) in enumerate(zip(record["logprobs"], made, strict=False)):
        if then != now:
            return Difference("logprobs", place, then, now)
    if len(made) != len(record["logprobs"]):
        return Difference("logprobs", None, len(record["logprobs"]), len(made))
    return None


def _of_texts(expected: str, got: str) -> Difference:
    """Return the first difference, in bytes of UTF-8, with what begins there in each."""
    same = next(
        (at for at, pair in enumerate(zip(expected, got, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(got)),
    )
    then, now = (text[same:].encode(errors="surrogatepass") for text in (expected, got))
    inside = next((at for at, pair in enumerate(zip(then, now)) if pair[0] != pair[1]), 0)  # noqa: B905
    offset = len(expected[:same].encode(errors="surrogatepass")) + inside
    return Difference("text", offset, expected[same : same + _SHOWN], got[same : same + _SHOWN])


def _show(
    terminal: Terminal,
    recorded: Recorded,
    difference: Difference | None,
    changed: Mapping[str, tuple[Any, Any]],
    whole: bool,
    json: bool,
) -> None:
    result = "ok" if difference is None else "differs"
    if json:
        changes = {key: {"recorded": then, "now": now} for key, (then, now) in changed.items()}
        terminal.write_json(
            {
                "record": recorded.number,
                "result": result,
                "difference": None if difference is None else asdict(difference),
                "changed": changes,
                "whole": whole,
            }
        )
        return
    if difference is None:
        terminal.write(f"{recorded.number}: ok\n")
        return
    line = f"{recorded.number}: differs: {_told(difference)}; {_why(changed)}"
    if not whole:
        line += "; not all that was under way beside it (--parallel) is here"
    terminal.write(line + "\n")


def _told(difference: Difference) -> str:
    if difference.field == "logprobs":
        place = "their number" if difference.offset is None else f"token {difference.offset}"
        return f"logprobs: {place} is otherwise"
    at = "" if difference.offset is None else f" at byte {difference.offset}"
    expected, got = (
        json_module.dumps(each, ensure_ascii=False)
        for each in (difference.expected, difference.got)
    )
    return f"{difference.field}{at}: expected {expected}, came {got}"


def _why(changed: Mapping[str, tuple[Any, Any]]) -> str:
    if not changed:
        return "model, versions and CPU are as recorded, so the record itself may have been changed"
    changes = (
        f"{key} was {_short(then)}, is {_short(now)}" for key, (then, now) in changed.items()
    )
    return "changed since: " + ", ".join(changes)


def _short(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}…"
    return "not recorded" if value is None else str(value)
