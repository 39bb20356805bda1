"""Which model file: the catalog, the Hugging Face cache, download and verification."""

from .bundled import DEMO, demo
from .cache import find
from .downloads import Plan, available, download, download_to, plan
from .hashing import sha256
from .reference import ModelFile, ModelReference, local
from .upkeep import downloaded, is_intact, remove

__all__ = [
    "DEMO",
    "ModelFile",
    "ModelReference",
    "Plan",
    "available",
    "demo",
    "download",
    "download_to",
    "downloaded",
    "find",
    "is_intact",
    "local",
    "plan",
    "remove",
    "sha256",
]
