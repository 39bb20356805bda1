"""Reads the records that ``generate --json`` wrote, and groups them by run."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ...engine.options import GenerationOptions, check_seed
from ...engine.records import FINISH_REASONS
from ...errors import DistilError, UsageError
from ...models import AdapterFile
from ..shared.json_options import converted

# Options that came later are missing in older records, and their defaults have no effect.
_ALWAYS_RECORDED = (
    "max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
    "presence_penalty", "frequency_penalty", "stop", "ignore_eos",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recorded:
    """A completion as it was recorded.

    Attributes:
        number: its line in the file, from 1.
        record: the whole JSON object.
        options: its generation options.
        parallel: how many completions were computed at once.
        flash_attention: whether it was used.
        alternatives: how many candidates were recorded for each token; None for no logprobs.
        index: its number in its run, from 0; None if it is not known.
        adapters: those of its model.
    """

    number: int
    record: Mapping[str, Any]
    options: GenerationOptions
    parallel: int
    flash_attention: bool
    alternatives: int | None
    index: int | None
    adapters: tuple[AdapterFile, ...]

    @property
    def was_interrupted(self) -> bool:
        """Whether it was interrupted before its end."""
        return bool(self.record["finish_reason"] == "interrupted")

    @property
    def has_own_options(self) -> bool:
        """Whether its options are not those of all completions of its run."""
        return "own_options" in self.record

    @property
    def token_count(self) -> int:
        """How many tokens were drawn."""
        return int(self.record["tokens"]["completion"])

    @property
    def limit(self) -> int | None:
        """After how many tokens to stop, as what follows can't be the same; None if options do."""
        if self.was_interrupted:
            return self.token_count
        return self.token_count + 1 if self.options.max_tokens < 0 else None

    def follows(self, other: "Recorded") -> bool:
        """Return whether it was computed in the same parallel run as an earlier record."""
        same = ("model", "versions", "cpu_features", "placement")
        return (
            self._is_of_the_run_of(other)
            and (self.parallel, self.flash_attention, self.alternatives)
            == (other.parallel, other.flash_attention, other.alternatives)
            and (self.options == other.options or self.has_own_options or other.has_own_options)
            and all(self.record.get(key) == other.record.get(key) for key in same)
            and None not in (self.index, other.index)
            and (self.index or 0) > (other.index or 0)
        )

    def _is_of_the_run_of(self, other: "Recorded") -> bool:
        if self.options.num_beams > 1:
            return self._prompt == other._prompt
        return self.parallel > 1

    @property
    def _prompt(self) -> tuple[object, object]:
        return self.record.get("line"), self.record["prompt"]


def read_records(lines: Iterable[bytes | None]) -> Iterator[Recorded]:
    """Yield the records of lines; blank lines are ignored.

    Raises:
        UsageError: a line is not a record of a completion; gives its number.
    """
    for number, line in enumerate(lines, 1):
        if line is None:
            raise _invalid(number, "it is too long")
        if line.strip():
            yield _parsed(number, line)


def runs(records: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    """Yield the records of each parallel run together, and all others alone."""
    run: list[Recorded] = []
    for record in records:
        if run and not record.follows(run[-1]):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def is_whole(run: list[Recorded]) -> bool:
    """Return whether no record of the run is missing, as far as the indices show."""
    indices = [each.index for each in run]
    if run[0].options.num_beams > 1:  # those of one prompt are the best, the second best and so on
        first = run[0].index or 0
        return first % len(run) == 0 and indices == list(range(first, first + len(run)))
    return run[0].parallel == 1 or indices == list(range(len(run)))


def _parsed(number: int, line: bytes) -> Recorded:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise _invalid(number, "it is not JSON") from None
    if not isinstance(record, dict):
        raise _invalid(number, "it is not a JSON object")
    expected = {"prompt": str, "text": str, "seed": int, "finish_reason": str, "tokens": dict,
                "options": dict, "model": dict, "versions": dict}  # fmt: skip
    for key, kind in expected.items():
        if not isinstance(record.get(key), kind):
            raise _invalid(number, f"its {key!r} is missing or has the wrong type")
    if record["finish_reason"] not in FINISH_REASONS:
        raise _invalid(number, f"{record['finish_reason']!r} is not a finish reason")
    if not _is_count(record["tokens"].get("completion")):
        raise _invalid(number, "its number of tokens is missing")
    if not isinstance(record["model"].get("name"), str):
        raise _invalid(number, "the name of its model is missing")
    index = record.get("index")
    if index is not None and not _is_count(index):
        raise _invalid(number, "its 'index' is not a whole number from 0")
    try:
        check_seed(record["seed"])
        rest = dict(record["options"])
        parallel, flash_attention = _parallel(rest), _flash_attention(rest)
        options = _options(rest)
    except DistilError as error:
        raise _invalid(number, error.what.rstrip(".")) from None
    except (TypeError, ValueError) as error:
        raise _invalid(number, str(error)) from None
    alternatives = _alternatives(number, record)
    adapters = _adapters(number, record["model"])
    return Recorded(
        number, record, options, parallel, flash_attention, alternatives, index, adapters
    )


def _adapters(number: int, model: Mapping[str, Any]) -> tuple[AdapterFile, ...]:
    """Return the adapters of a model's record; older ones name none."""
    try:
        adapters = tuple(
            AdapterFile(Path(each["path"]), str(each["name"]), float(each["scale"]))
            for each in model.get("adapters", ())
        )
        valid = all(math.isfinite(each.scale) for each in adapters)
    except (TypeError, KeyError, ValueError, OverflowError):
        valid = False
    if not valid:
        raise _invalid(number, "the adapters of its model are not valid")
    return adapters


def _parallel(rest: dict[str, Any]) -> int:
    parallel = rest.pop("parallel", None)
    if not _is_count(parallel) or not 1 <= parallel <= 256:
        raise ValueError("its option 'parallel' is not a number from 1 to 256")
    return int(parallel)


def _flash_attention(rest: dict[str, Any]) -> bool:
    flash_attention = rest.pop("flash_attention", False)
    if not isinstance(flash_attention, bool):
        raise ValueError("its option 'flash_attention' is neither true nor false")
    return flash_attention


def _options(rest: dict[str, Any]) -> GenerationOptions:
    values: dict[str, Any] = {}
    for each in fields(GenerationOptions):
        if each.name in _ALWAYS_RECORDED and each.name not in rest:
            raise ValueError(f"its option {each.name!r} is missing")
        if each.name in rest:
            try:
                values[each.name] = converted(each.name, rest.pop(each.name))
            except ValueError as error:
                raise ValueError(f"its option {each.name!r} {error}") from None
    if rest:
        raise ValueError(f"this version has no option {next(iter(rest))!r}")
    return GenerationOptions(**values)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _alternatives(number: int, record: Mapping[str, Any]) -> int | None:
    logprobs = record.get("logprobs")
    if logprobs is None:
        return None
    try:
        return max((len(token["top"]) for token in logprobs), default=0)
    except (TypeError, KeyError):
        raise _invalid(number, "its 'logprobs' are not valid") from None


def _invalid(number: int, reason: str) -> UsageError:
    return UsageError(
        f"Line {number} is not a record of a completion: {reason}.",
        "Use the output of `distil generate --json`.",
    )
