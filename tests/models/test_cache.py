"""The Hugging Face cache is read by its documented layout."""

import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ModelUnavailableError
from distilgpt2_cli.models import ModelReference, cache, find
from distilgpt2_cli.models.catalog import REVISION, entry

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "some/models"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))


def put(reference: ModelReference, name: str, blob: str = "a" * 64, commit: str = COMMIT) -> Path:
    """Put a file into the cache as huggingface-hub does."""
    folder = cache.folder(reference.repository)
    link = folder / "snapshots" / commit / name
    link.parent.mkdir(parents=True, exist_ok=True)
    target = folder / "blobs" / blob
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"content")
    depth = len(link.relative_to(folder).parts) - 1
    link.symlink_to(Path(*[".."] * depth, "blobs", blob))
    reference_file = folder / "refs" / "main"
    reference_file.parent.mkdir(exist_ok=True)
    reference_file.write_text(commit)
    return link


def test_nothing_is_found_in_an_empty_cache() -> None:
    assert find(ModelReference("Q8_0")) is None
    assert find(ModelReference("Q8_0", revision="main")) is None
    assert find(ModelReference("Q8_0", OTHER)) is None


def test_a_file_is_found_by_branch_and_by_commit() -> None:
    path = put(ModelReference("Q8_0"), "distilgpt2.Q8_0.gguf")
    for revision in ("main", COMMIT):
        file = find(ModelReference("q8_0", revision=revision))
        assert file is not None
        assert (file.path, file.name, file.size) == (path, "distilgpt2.Q8_0.gguf", 7)
        assert (file.revision, file.sha256) == (COMMIT, "a" * 64)
    assert find(ModelReference("Q8_0")) is None
    assert find(ModelReference("Q2_K", revision="main")) is None


def test_the_catalog_knows_the_hash_at_its_commit() -> None:
    put(ModelReference("Q8_0"), "distilgpt2.Q8_0.gguf", commit=REVISION)
    file = find(ModelReference("Q8_0"))
    assert file is not None
    assert file.sha256 == entry("Q8_0").sha256


def test_in_another_repository_the_name_tells_the_quantization() -> None:
    path = put(ModelReference("Q8_0", OTHER), "gguf/model-q4_k.gguf")
    put(ModelReference("Q8_0", OTHER), "model-Q4_K_M.gguf", "b" * 64)
    file = find(ModelReference("Q4_K", OTHER))
    assert file is not None
    assert (file.path, file.name) == (path, "gguf/model-q4_k.gguf")
    assert find(ModelReference("Q8_0", OTHER)) is None
    put(ModelReference("Q8_0", OTHER), "model2-Q4_K.gguf", "c" * 64)
    with pytest.raises(ModelUnavailableError, match="several"):
        find(ModelReference("Q4_K", OTHER))


def test_a_small_file_or_a_cache_without_links_tells_no_sha256() -> None:
    put(ModelReference("Q8_0", OTHER), "model-Q8_0.gguf", "d" * 40)
    small = find(ModelReference("Q8_0", OTHER))
    assert small is not None
    assert small.sha256 is None
    small.path.unlink()
    small.path.write_bytes(b"content")
    plain = find(ModelReference("Q8_0", OTHER))
    assert plain is not None
    assert plain.sha256 is None


def test_a_link_to_nowhere_is_no_file() -> None:
    path = put(ModelReference("Q8_0"), "distilgpt2.Q8_0.gguf")
    path.resolve().unlink()
    assert find(ModelReference("Q8_0", revision="main")) is None


def test_discarding_removes_link_and_blob_but_nothing_outside(tmp_path: Path) -> None:
    path = put(ModelReference("Q8_0"), "distilgpt2.Q8_0.gguf")
    blob = path.resolve()
    cache.discard(path)
    assert not path.is_symlink()
    assert not blob.exists()
    own = tmp_path / "own.gguf"
    own.touch()
    path.symlink_to(own)
    cache.discard(path)
    assert own.exists()
    assert not path.is_symlink()


def test_finding_imports_no_network_client(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from distilgpt2_cli.models import ModelReference, find\n"
        "assert find(ModelReference('Q8_0')) is None\n"
        "heavy = {'httpx2', 'huggingface_hub.file_download', 'hashlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], env={"HF_HOME": str(tmp_path)}, check=True)
