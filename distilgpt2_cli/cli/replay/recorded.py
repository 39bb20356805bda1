"""What ``generate --json`` has written, read again: records, and the runs that they are of."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ...engine.options import GenerationOptions, check_seed
from ...engine.records import FINISH_REASONS
from ...errors import DistilError, UsageError

# Options that came later are missing in older records, and their defaults have no effect.
_ALWAYS_RECORDED = (
    "max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
    "presence_penalty", "frequency_penalty", "stop", "ignore_eos",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recorded:
    """A completion as it was recorded.

    Attributes:
        number: the line of the file that it stands on, from 1 on.
        record: all that the line says.
        options: those it was made with.
        parallel: how many were under way at once.
        alternatives: how many candidates each token was observed with; None for no observation.
        index: its number in its run, from 0 on; None if it is not known.
    """

    number: int
    record: Mapping[str, Any]
    options: GenerationOptions
    parallel: int
    alternatives: int | None
    index: int | None

    @property
    def was_interrupted(self) -> bool:
        """Whether it has no end of its own."""
        return bool(self.record["finish_reason"] == "interrupted")

    @property
    def token_count(self) -> int:
        """How many tokens were drawn."""
        return int(self.record["tokens"]["completion"])

    def follows(self, other: "Recorded") -> bool:
        """Tell whether it is of the same run as one before it, and was made beside it."""
        same = ("model", "versions", "cpu_features", "placement")
        return (
            self.parallel > 1
            and (self.parallel, self.alternatives) == (other.parallel, other.alternatives)
            and self.options == other.options
            and all(self.record.get(key) == other.record.get(key) for key in same)
            and None not in (self.index, other.index)
            and (self.index or 0) > (other.index or 0)
        )


def read_records(lines: Iterable[bytes | None]) -> Iterator[Recorded]:
    """Yield the records of lines, but for empty ones.

    Raises:
        UsageError: a line is no record of a completion; names its number.
    """
    for number, line in enumerate(lines, 1):
        if line is None:
            raise _no_record(number, "it is too long")
        if line.strip():
            yield _parsed(number, line)


def runs(records: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    """Yield the records that were made beside each other together, and all others alone."""
    run: list[Recorded] = []
    for record in records:
        if run and not record.follows(run[-1]):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def is_whole(run: list[Recorded]) -> bool:
    """Tell whether nothing is missing that was made beside these, as far as can be seen."""
    return run[0].parallel == 1 or [each.index for each in run] == list(range(len(run)))


def _parsed(number: int, line: bytes) -> Recorded:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise _no_record(number, "it is not JSON") from None
    if not isinstance(record, dict):
        raise _no_record(number, "it is no JSON object")
    expected = {"prompt": str, "text": str, "seed": int, "finish_reason": str, "tokens": dict,
                "options": dict, "model": dict, "versions": dict}  # fmt: skip
    for key, kind in expected.items():
        if not isinstance(record.get(key), kind):
            raise _no_record(number, f"its {key!r} is missing or of another kind")
    if record["finish_reason"] not in FINISH_REASONS:
        raise _no_record(number, f"{record['finish_reason']!r} is no finish reason")
    if not _is_count(record["tokens"].get("completion")):
        raise _no_record(number, "it does not say how many tokens it has")
    if not isinstance(record["model"].get("name"), str):
        raise _no_record(number, "it does not name its model")
    index = record.get("index")
    if index is not None and not _is_count(index):
        raise _no_record(number, "its 'index' is no number from 0 on")
    try:
        check_seed(record["seed"])
        options, parallel = _options(record["options"])
    except DistilError as error:
        raise _no_record(number, error.what.rstrip(".")) from None
    except (TypeError, ValueError) as error:
        raise _no_record(number, str(error)) from None
    return Recorded(number, record, options, parallel, _alternatives(number, record), index)


def _options(given: Mapping[str, Any]) -> tuple[GenerationOptions, int]:
    rest = dict(given)
    parallel = rest.pop("parallel", None)
    if not _is_count(parallel) or not 1 <= parallel <= 256:
        raise ValueError("its option 'parallel' is no number from 1 to 256")
    values: dict[str, Any] = {}
    for each in fields(GenerationOptions):
        default = each.default
        if each.name in _ALWAYS_RECORDED and each.name not in rest:
            raise ValueError(f"its option {each.name!r} is missing")
        value = rest.pop(each.name, default)
        if each.name == "stop":
            if not isinstance(value, list) or not all(isinstance(stop, str) for stop in value):
                raise ValueError("its option 'stop' is no list of texts")
            value = tuple(value)
        elif each.name == "grammar":
            if value is not None and not isinstance(value, str):
                raise ValueError("its option 'grammar' is no text")
        elif not _is_like(value, default):
            raise ValueError(f"its option {each.name!r} can't be {value!r}")
        values[each.name] = value
    if rest:
        raise ValueError(f"this version has no option {next(iter(rest))!r}")
    return GenerationOptions(**values), parallel


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float if isinstance(default, float) else int)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _alternatives(number: int, record: Mapping[str, Any]) -> int | None:
    logprobs = record.get("logprobs")
    if logprobs is None:
        return None
    try:
        return max((len(token["top"]) for token in logprobs), default=0)
    except (TypeError, KeyError):
        raise _no_record(number, "its 'logprobs' are none") from None


def _no_record(number: int, reason: str) -> UsageError:
    return UsageError(
        f"Line {number} is no record of a completion: {reason}.",
        "Give lines that `distil generate --json` has printed.",
    )
