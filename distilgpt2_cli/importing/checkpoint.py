"""The files of a checkpoint: which of a folder's are wanted, and where its tensors are."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelDamagedError, ModelUnavailableError
from .untrusted import CHECK_FOLDER, is_file, read_json, shown

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
"""It is in the folders of PEFT's adapters only."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CARD = "README.md"
TOKENIZER = "tokenizer.json"
VOCABULARY, MERGES = "vocab.json", "merges.txt"
ADDED_TOKENS = "added_tokens.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
GENERATION_CONFIG = "generation_config.json"

_BESIDE = (
    CONFIG,
    CARD,
    TOKENIZER,
    VOCABULARY,
    MERGES,
    ADDED_TOKENS,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    GENERATION_CONFIG,
)
_SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)
_PICKLED = re.compile(r"(pytorch_model.*|adapter_model)\.bin|.*\.(pt|pth|ckpt)")
_SAFELY = "from_pretrained(…).save_pretrained(FOLDER, safe_serialization=True)"


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a model or an adapter, and the files that have its tensors.

    Attributes:
        folder: where its files are.
        weights: names of the files, in order.
        shard_of: the file that has each tensor, by its name; None where there is only one file.
    """

    folder: Path
    weights: Sequence[str]
    shard_of: Mapping[str, str] | None = None

    @property
    def is_adapter(self) -> bool:
        """Whether it has changes to a model, and not a model."""
        return (self.folder / ADAPTER_CONFIG).exists()


def wanted_files(names: Collection[str], source: str) -> list[str]:
    """Return which files of a repository `find_checkpoint` reads; not the shards of an index.

    Args:
        names: of all its files.
        source: what the repository is called in errors.

    Raises:
        ModelDamagedError: it has no tensors that can be read.
    """
    if ADAPTER_CONFIG in names:
        return [ADAPTER_CONFIG, _weights(names, ADAPTER_WEIGHTS, source)] + [CARD] * (CARD in names)
    weights = INDEX if INDEX in names and WEIGHTS not in names else _weights(names, WEIGHTS, source)
    return [*(name for name in _BESIDE if name in names), weights]


def find_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint of a folder, or of a ``.safetensors`` file with its folder.

    Raises:
        ModelUnavailableError: there is no such folder or file.
        ModelDamagedError: it has no tensors that can be read, or its index is damaged.
    """
    if path.suffix == ".safetensors" and is_file(path):
        return Checkpoint(path.parent, [path.name])
    if not path.is_dir():
        raise ModelUnavailableError(
            f"{path} is neither a folder nor a .safetensors file.",
            "Name the folder that save_pretrained has written, or OWNER/NAME of a repository.",
        )
    try:
        names = [each.name for each in path.iterdir()]
    except OSError as error:
        raise ModelUnavailableError(
            f"{path} can't be read: {error.strerror}.", "Check its owner and permissions."
        ) from error
    weights = wanted_files(names, str(path))[1 if ADAPTER_CONFIG in names else -1]
    if weights != INDEX:
        return Checkpoint(path, [weights])
    shards = shards_of(path)
    return Checkpoint(path, sorted(set(shards.values())), shards)


def shards_of(folder: Path) -> dict[str, str]:
    """Return the file that has each tensor of a checkpoint in several files, by its index.

    Raises:
        ModelDamagedError: the index is damaged, or names a file outside its folder.
    """
    path = folder / INDEX
    found = read_json(path).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise ModelDamagedError(f"{path} has no weight_map.", CHECK_FOLDER)
    for name in found.values():
        if not isinstance(name, str) or not _SHARD.fullmatch(name):
            raise ModelDamagedError(
                f"{path} names a file of tensors {shown(name)}, which can't be in its folder.",
                CHECK_FOLDER,
            )
    return found


def _weights(names: Collection[str], wanted: str, source: str) -> str:
    """Return the one file that has tensors."""
    if wanted in names:
        return wanted
    found = [name for name in sorted(names) if _SHARD.fullmatch(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelDamagedError(
            f"{source} has several .safetensors files and no {INDEX}: {', '.join(found[:5])}.",
            "Name the file to import.",
        )
    pickled = [name for name in sorted(names) if _PICKLED.fullmatch(name)]
    if pickled:
        raise ModelDamagedError(
            f"{source} has its weights in {pickled[0]}, a pickle, which can run any code when it is"
            " read; distil reads safetensors only.",
            f"If you trust it, save it again, where PyTorch is, with AutoModelForCausalLM."
            f"{_SAFELY}.",
        )
    if any(name.lower().endswith(".gguf") for name in names):
        raise ModelDamagedError(
            f"{source} has no {wanted}, but a GGUF file, which needs no import.",
            "Use the file itself with --model, or its repository with --repo.",
        )
    raise ModelDamagedError(f"{source} has no {wanted}.", CHECK_FOLDER)
