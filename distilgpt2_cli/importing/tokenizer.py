"""A GPT-2's byte-level BPE tokenizer, as transformers saves it, as llama.cpp wants it.

``tokenizer.json`` is the format of the package tokenizers; ``vocab.json`` and ``merges.txt`` are
those of https://github.com/openai/gpt-2, which transformers reads where the former is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from ..errors import ModelDamagedError
from . import checkpoint
from .config import Config
from .untrusted import CHECK_FOLDER, is_file, read_json, read_text, shown

_ONLY_BPE = "Only GPT-2's byte-level BPE tokenizers can be imported."
_DEFAULT_END = "<|endoftext|>"
# Names of special tokens in the files of transformers.
_SPECIAL = (
    "bos_token",
    "eos_token",
    "unk_token",
    "pad_token",
    "additional_special_tokens",
    "extra_special_tokens",
)


class TokenType(IntEnum):
    """What llama.cpp does with a token: ``llama_token_type`` in llama.h."""

    NORMAL = 1
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in a text before it is split, unless it is special.

    Attributes:
        text: as it stands in a text.
        special: it is never read in a text here, and never written: it only ends or begins one.
        habits: what transformers does around it and llama.cpp does not, such as ``rstrip``.
    """

    text: str
    special: bool = False
    habits: Sequence[str] = ()


@dataclass(frozen=True)
class Tokenizer:
    """What is to be in a GGUF file of a tokenizer.

    Attributes:
        tokens: of the byte alphabet of GPT-2, or the text of a token that was added.
        types: one for each token.
        merges: pairs of tokens with a space between them, the first ones first.
        bos: the token before a text; None if there is none.
        eos: the token after a text.
        ends: the token that the tokenizer has for that, where the model ends texts with another.
        pad: the token that fills up rows.
        adds_bos: whether it stands before every text that is tokenized.
        notices: sentences on what llama.cpp does otherwise.
    """

    tokens: Sequence[str]
    types: Sequence[TokenType]
    merges: Sequence[str]
    bos: int | None = None
    eos: int | None = None
    ends: int | None = None
    pad: int | None = None
    adds_bos: bool = False
    notices: Sequence[str] = ()


@dataclass
class _Source:
    """A tokenizer as its files have it."""

    path: Path
    vocabulary: dict[str, int]
    merges: Sequence[str]
    added: dict[int, AddedToken] = field(default_factory=dict)
    adds_prefix_space: bool = False
    adds_bos: bool = False
    names: Mapping[str, str] = field(default_factory=dict)


def byte_alphabet() -> str:
    """Return the characters that stand for the bytes 0 … 255: ``bytes_to_unicode`` of GPT-2."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return "".join(chr(byte if byte in printable else next(others)) for byte in range(256))


def read_tokenizer(folder: Path, config: Config, rows: int) -> Tokenizer:
    """Read the tokenizer of a checkpoint.

    Args:
        folder: of the checkpoint.
        config: whose token numbers are used before those of the tokenizer's files.
        rows: of the embedding. Tokens without a row are left out, and rows without a token get an
            unused one.

    Raises:
        ModelUnavailableError: a file can't be read.
        ModelDamagedError: a file is missing or damaged, or it is another kind of tokenizer.
    """
    whole = folder / checkpoint.TOKENIZER
    settings = _json_if_there(folder / checkpoint.TOKENIZER_CONFIG)
    source = _whole(whole) if is_file(whole) else _in_parts(folder, settings)
    # As in transformers, where these stand above what the other file says.
    source.adds_prefix_space = settings.get("add_prefix_space", source.adds_prefix_space) is True
    source.names = _special_names([_json_if_there(folder / checkpoint.SPECIAL_TOKENS), settings])
    _check(source, rows)
    return _completed(source, config, rows)


def _whole(path: Path) -> _Source:
    """Read a ``tokenizer.json``."""
    values = read_json(path)
    model = values.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        kind = model.get("type") if isinstance(model, dict) else None
        raise ModelDamagedError(f"{path} has a tokenizer of the kind {shown(kind)}.", _ONLY_BPE)
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise ModelDamagedError(f"{path} has a tokenizer with {key}.", _ONLY_BPE)
    if values.get("normalizer"):
        raise ModelDamagedError(f"{path} has a tokenizer that changes texts first.", _ONLY_BPE)
    splitting = values.get("pre_tokenizer")
    if (
        not isinstance(splitting, dict)
        or splitting.get("type") != "ByteLevel"
        or splitting.get("use_regex") is False
    ):
        raise ModelDamagedError(f"{path} does not split texts as GPT-2 does.", _ONLY_BPE)
    return _Source(
        path,
        _vocabulary(model.get("vocab"), path),
        [_pair(each, path) for each in _list(model.get("merges"), path)],
        dict(_added(each, path) for each in _list(values.get("added_tokens", []), path)),
        adds_prefix_space=splitting.get("add_prefix_space") is True,
        adds_bos=_adds_bos(values.get("post_processor"), path),
    )


def _json_if_there(path: Path) -> dict[str, Any]:
    return read_json(path) if is_file(path) else {}


def _in_parts(folder: Path, settings: Mapping[str, Any]) -> _Source:
    """Read ``vocab.json``, ``merges.txt``, and what was added as either file has it."""
    path = folder / checkpoint.VOCABULARY
    if not is_file(path):
        raise ModelDamagedError(
            f"{folder} has neither a {checkpoint.TOKENIZER} nor a {checkpoint.VOCABULARY}.",
            "Save the tokenizer in it too: tokenizer.save_pretrained(FOLDER).",
        )
    lines = read_text(folder / checkpoint.MERGES).split("\n")
    merges = [line for line in lines if line and not line.startswith("#version")]
    source = _Source(
        path, _vocabulary(read_json(path), path), [_pair(each, path) for each in merges]
    )
    source.adds_bos = settings.get("add_bos_token") is True
    added = folder / checkpoint.ADDED_TOKENS
    for text, number in _vocabulary(_json_if_there(added), added).items():
        source.added[number] = AddedToken(text)
    described = settings.get("added_tokens_decoder")
    for key, value in described.items() if isinstance(described, dict) else ():
        identified = {"id": int(key) if key.isdecimal() and len(key) < 10 else None}
        source.added.update([_added(identified | _object(value), folder)])
    return source


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _vocabulary(value: object, path: Path) -> dict[str, int]:
    if not isinstance(value, dict) or not all(
        type(number) is int and 0 <= number < 1 << 31 for number in value.values()
    ):
        raise ModelDamagedError(f"{path} has no numbers of tokens.", CHECK_FOLDER)
    return value


def _list(value: object, path: Path) -> list[Any]:
    if not isinstance(value, list):
        raise ModelDamagedError(f"{path} has {shown(value)} in place of a list.", CHECK_FOLDER)
    return value


def _pair(value: object, path: Path) -> str:
    """Return a merge: two tokens with a space between them, or a list of both in newer files."""
    parts = value.split(" ") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 2 or not all(map(_is_text, parts)):
        raise ModelDamagedError(f"{path} has the merge {shown(value)}.", CHECK_FOLDER)
    return " ".join(parts)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _added(value: object, path: Path) -> tuple[int, AddedToken]:
    values = _object(value)
    number, text = values.get("id"), values.get("content")
    if type(number) is not int or not 0 <= number < 1 << 31 or not isinstance(text, str):
        raise ModelDamagedError(f"{path} has the added token {shown(value)}.", CHECK_FOLDER)
    habits = [key for key in ("lstrip", "rstrip", "single_word") if values.get(key) is True]
    return number, AddedToken(text, values.get("special") is True, habits)


def _adds_bos(value: object, path: Path) -> bool:
    """Return whether a token stands before every text.

    Raises:
        ModelDamagedError: it adds something else.
    """
    values = _object(value)
    kind = values.get("type", "ByteLevel")
    if kind == "Sequence":
        return any(_adds_bos(each, path) for each in _list(values.get("processors"), path))
    if kind == "ByteLevel":
        return False
    parts = values.get("single") if kind == "TemplateProcessing" else None
    kinds = [next(iter(_object(each)), None) for each in _list(parts or [], path)]
    if kinds not in (["Sequence"], ["SpecialToken", "Sequence"]):
        raise ModelDamagedError(f"{path} adds tokens to texts in a way of its own.", _ONLY_BPE)
    return len(kinds) == 2


def _special_names(files: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the texts of special tokens by what they are for, and the others by themselves."""
    names: dict[str, str] = {}
    for values in files:
        for key in _SPECIAL:
            value = values.get(key)
            for each in value if isinstance(value, list) else [value]:
                text = each.get("content") if isinstance(each, dict) else each
                if isinstance(text, str):
                    names[text if isinstance(value, list) else key] = text
    return names


def _check(source: _Source, rows: int) -> None:
    """Refuse a vocabulary that llama.cpp would read otherwise."""
    path = source.path
    alphabet = set(byte_alphabet())
    texts = {token.text for token in source.added.values()} | set(source.names.values())
    texts.add(_DEFAULT_END)
    numbers: dict[int, str] = {}
    for token, number in source.vocabulary.items():
        if token not in texts and (not token or not alphabet.issuperset(token)):
            raise ModelDamagedError(
                f"{path} has the token {shown(token)}, which is not of bytes.", _ONLY_BPE
            )
        if number >= rows and number not in source.added and token not in texts:
            raise ModelDamagedError(
                f"{path} has the token {number}, and the embedding {rows} rows.", CHECK_FOLDER
            )
        if numbers.setdefault(number, token) != token:
            raise ModelDamagedError(
                f"{path} has two tokens with the number {number}.", CHECK_FOLDER
            )
    for merge in source.merges:
        first, second = merge.split(" ")
        if not {first, second, first + second} <= source.vocabulary.keys():
            raise ModelDamagedError(
                f"{path} has the merge {shown(merge)} of tokens that are not in its vocabulary.",
                CHECK_FOLDER,
            )


def _completed(source: _Source, config: Config, rows: int) -> Tokenizer:
    """Give every row of the embedding a token."""
    tokens = [f"[PAD{number}]" for number in range(rows)]
    types = [TokenType.UNUSED] * rows
    special = {*source.names.values(), _DEFAULT_END}
    for text, number in source.vocabulary.items():
        if number < rows:
            tokens[number] = text
            types[number] = TokenType.CONTROL if text in special else TokenType.NORMAL
    for number, token in source.added.items():
        if number < rows:
            tokens[number] = token.text
            is_control = token.special or token.text in special
            types[number] = TokenType.CONTROL if is_control else TokenType.USER_DEFINED
    _name_apart(tokens, types)
    number_of = {text: number for number, text in enumerate(tokens)}

    def named(key: str, default: str | None = None) -> int | None:
        return number_of.get(source.names.get(key, default or ""))

    def valid(number: int | None, otherwise: int | None) -> int | None:
        return number if number is not None and number < rows else otherwise

    own_end = named("eos_token", _DEFAULT_END)
    eos = valid(config.eos, own_end)
    return Tokenizer(
        tokens,
        types,
        source.merges,
        bos=valid(config.bos, named("bos_token", _DEFAULT_END)),
        eos=eos,
        ends=own_end if own_end != eos else None,
        pad=named("pad_token"),
        adds_bos=source.adds_bos,
        notices=list(_notices(source, rows)),
    )


def _name_apart(tokens: list[str], types: Sequence[TokenType]) -> None:
    """Give tokens without a use texts that no other token has.

    Raises:
        ModelDamagedError: two tokens of the tokenizer have the same text.
    """
    seen: set[str] = set()
    for text, kind in zip(tokens, types, strict=True):
        if kind is not TokenType.UNUSED:
            if text in seen:
                raise ModelDamagedError(
                    f"The tokenizer has the token {shown(text)} twice.", CHECK_FOLDER
                )
            seen.add(text)
    for number, kind in enumerate(types):
        while kind is TokenType.UNUSED and tokens[number] in seen:
            tokens[number] = f"[{tokens[number]}]"


def _notices(source: _Source, rows: int) -> Iterable[str]:
    numbers = source.vocabulary | {token.text: number for number, token in source.added.items()}
    without = [text for text, number in numbers.items() if number >= rows]
    if without:
        yield f"Tokens without a row in the embedding are left out: {_listed(without)}."
    habits = [token.text for token in source.added.values() if token.habits]
    if habits:
        yield (
            f"llama.cpp reads spaces around {_listed(habits)} as text; transformers may read them"
            " as part of it."
        )
    if source.adds_prefix_space:
        yield (
            "The tokenizer puts a space before every text; llama.cpp does not: begin your texts"
            " with one."
        )


def _listed(texts: Sequence[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(map(shown, texts[:most])) + more
