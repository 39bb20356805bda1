"""Which model file: the catalog, the Hugging Face cache, download and verification."""

from .cache import find
from .cache_management import (
    cached_files,
    cached_files_everywhere,
    incomplete_files,
    is_intact,
    remove,
)
from .hashing import sha256
from .reference import DEMO, AdapterFile, ModelFile, ModelReference, demo, local
from .transfer import Plan, available, download, download_to, plan

__all__ = [
    "DEMO",
    "AdapterFile",
    "ModelFile",
    "ModelReference",
    "Plan",
    "available",
    "cached_files",
    "cached_files_everywhere",
    "demo",
    "download",
    "download_to",
    "find",
    "incomplete_files",
    "is_intact",
    "local",
    "plan",
    "remove",
    "sha256",
]
