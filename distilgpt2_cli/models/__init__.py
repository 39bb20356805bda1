"""Which model file: the catalog, the Hugging Face cache, download and verification."""

from .cache import find
from .downloads import Plan, available, download, download_to, plan
from .hashing import sha256
from .reference import ModelFile, ModelReference, local

__all__ = [
    "ModelFile",
    "ModelReference",
    "Plan",
    "available",
    "download",
    "download_to",
    "find",
    "local",
    "plan",
    "sha256",
]
