"""Tokenizers of transformers, as llama.cpp gets them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.engine.llama.model import Model
from distilgpt2_cli.engine.llama.placement import CPU_ONLY
from distilgpt2_cli.errors import ModelDamagedError
from distilgpt2_cli.importing.card import Origin
from distilgpt2_cli.importing.checkpoint import find_checkpoint
from distilgpt2_cli.importing.config import Config, read_config
from distilgpt2_cli.importing.reading import opened
from distilgpt2_cli.importing.tokenizer import Tokenizer, TokenType, read_tokenizer
from tests.support import checkpoints
from tests.support.checkpoints import END, SMALL, save_json
from tests.support.gguf import Shape

LAST = SMALL.tokens - 1


def tokenizer(folder: Path, rows: int = SMALL.tokens) -> Tokenizer:
    return read_tokenizer(folder, read_config(folder / "config.json"), rows)


def with_json(folder: Path, values: dict[str, Any]) -> Path:
    save_json(checkpoints.write(folder) / "tokenizer.json", values)
    return folder


def test_both_forms_are_the_same(tmp_path: Path) -> None:
    whole = tokenizer(checkpoints.write(tmp_path / "whole"))
    in_parts = tokenizer(checkpoints.write(tmp_path / "parts", in_parts=True))
    assert whole == in_parts
    assert (whole.bos, whole.eos, whole.ends) == (LAST, LAST, None)
    assert whole.types[LAST] is TokenType.CONTROL
    assert set(whole.types[:LAST]) == {TokenType.NORMAL}
    assert whole.merges[0] == "Ġ t"


def test_added_tokens_and_rows_without_a_token(tmp_path: Path) -> None:
    added = {"<pad>": True, "two words": False}
    folder = with_json(tmp_path / "model", checkpoints.tokenizer_json(SMALL.tokens, added))
    save_json(folder / "special_tokens_map.json", {"pad_token": {"content": "<pad>"}})
    found = tokenizer(folder, SMALL.tokens + 4)
    assert found.tokens[LAST:] == [END, "<pad>", "two words", "[PAD303]", "[PAD304]"]
    assert [kind.name for kind in found.types[LAST:]] == [
        "CONTROL",
        "CONTROL",
        "USER_DEFINED",
        "UNUSED",
        "UNUSED",
    ]
    assert found.pad == LAST + 1
    assert not found.notices
    fewer = tokenizer(folder, SMALL.tokens + 1)
    assert len(fewer.tokens) == SMALL.tokens + 1
    assert fewer.notices == ["Tokens without a row in the embedding are left out: 'two words'."]


def test_unused_rows_never_have_the_text_of_another(tmp_path: Path) -> None:
    values = checkpoints.tokenizer_json(SMALL.tokens, {f"[PAD{LAST + 2}]": False})
    found = tokenizer(with_json(tmp_path / "model", values), SMALL.tokens + 3)
    assert len(set(found.tokens)) == len(found.tokens)


def test_the_end_of_a_text(tmp_path: Path) -> None:
    """The model's own end stands above the tokenizer's, and both end a text."""
    values = checkpoints.tokenizer_json(SMALL.tokens, {"<stop>": True})
    folder = with_json(tmp_path / "model", values)
    save_json(folder / "tokenizer_config.json", {"eos_token": "<stop>", "bos_token": END})
    found = tokenizer(folder, SMALL.tokens + 1)
    assert (found.eos, found.ends) == (LAST, LAST + 1)
    config = checkpoints.config(bos_token_id=None, eos_token_id=[LAST + 1, 5])
    save_json(folder / "config.json", config)
    found = tokenizer(folder, SMALL.tokens + 1)
    assert (found.bos, found.eos, found.ends) == (LAST, LAST + 1, None)


def test_a_text_through_llama_cpp(tmp_path: Path) -> None:
    shape = Shape(tokens=304, context=32)
    folder = checkpoints.write(tmp_path / "model", shape)
    values = checkpoints.tokenizer_json(302, {"<pad>": True, "two words": False})
    save_json(folder / "tokenizer.json", values)
    target = tmp_path / "model.gguf"
    with opened(find_checkpoint(folder), Origin("it")) as readable:
        readable.write(target, lambda _: None)
    with Model(target, CPU_ONLY) as model:
        assert model.tokenize("two words") == [303]
        assert 302 not in model.tokenize("<pad>")
        assert b"".join(map(model.piece, model.tokenize("a <pad> two wordsé"))) == (
            "a <pad> two wordsé".encode()
        )
        assert model.ends_text(301)


def test_what_llama_cpp_does_otherwise_is_said(tmp_path: Path) -> None:
    values = checkpoints.tokenizer_json(SMALL.tokens)
    values["added_tokens"][0]["lstrip"] = True
    values["pre_tokenizer"]["add_prefix_space"] = True
    folder = with_json(tmp_path / "model", values)
    assert len(tokenizer(folder).notices) == 2
    save_json(folder / "tokenizer_config.json", {"add_prefix_space": False})
    assert len(tokenizer(folder).notices) == 1


def test_a_token_before_each_text(tmp_path: Path) -> None:
    values = checkpoints.tokenizer_json(SMALL.tokens)
    text, end = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": END, "type_id": 0}}
    for single, adds in (([text], False), ([end, text], True)):
        values["post_processor"] = {"type": "TemplateProcessing", "single": single}
        assert tokenizer(with_json(tmp_path / "model", values)).adds_bos is adds
    values["post_processor"]["single"] = [text, end]
    with pytest.raises(ModelDamagedError, match="adds tokens to texts"):
        tokenizer(with_json(tmp_path / "model", values))


Change = Callable[[dict[str, Any]], object]
REFUSED: dict[str, Change] = {
    "of the kind 'Unigram'": lambda values: values["model"].update(type="Unigram"),
    "changes texts first": lambda values: values.update(normalizer={"type": "NFC"}),
    "does not split texts": lambda values: values.update(pre_tokenizer={"type": "Whitespace"}),
    "with end_of_word_suffix": lambda values: values["model"].update(end_of_word_suffix="</w>"),
    "has no numbers of tokens": lambda values: values["model"].update(vocab={"a": 10**30}),
    "the merge ['a']": lambda values: values["model"].update(merges=[["a"]]),
    "in place of a list": lambda values: values["model"].update(merges=7),
    "not in its vocabulary": lambda values: values["model"].update(merges=["zz zz"]),
    "which is not of bytes": lambda values: values["model"]["vocab"].update({"日": 3}),
    "two tokens with the number 3": lambda values: values["model"]["vocab"].update({"ab": 3}),
    "embedding 301 rows": lambda values: values["model"]["vocab"].update({"ab": 999}),
    "the added token {'id': -1}": lambda values: values.update(added_tokens=[{"id": -1}]),
    "'!' twice": lambda values: values["added_tokens"].append({"id": 9, "content": "!"}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused(tmp_path: Path, reason: str) -> None:
    values = checkpoints.tokenizer_json(SMALL.tokens)
    REFUSED[reason](values)
    with pytest.raises(ModelDamagedError) as caught:
        tokenizer(with_json(tmp_path / "model", values))
    assert reason in caught.value.what


def test_without_any(tmp_path: Path) -> None:
    with pytest.raises(ModelDamagedError, match=r"neither a tokenizer\.json nor a vocab\.json"):
        read_tokenizer(tmp_path, Config(1, 64, 2, 256, 32), 301)
