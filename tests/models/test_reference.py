"""What names a file, before anything is looked for."""

import os
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ModelUnavailableError, UsageError
from distilgpt2_cli.models import ModelFile, ModelReference, local
from distilgpt2_cli.models.catalog import CATALOG, REVISION, entry


def test_the_catalog_has_14_different_files() -> None:
    assert len(CATALOG) == 14
    assert len({each.sha256 for each in CATALOG}) == 14
    assert all(len(each.sha256) == 64 for each in CATALOG)
    assert entry("q4_k_m").name == "distilgpt2.Q4_K_M.gguf"


def test_an_unknown_quantization_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="Q2_K, Q3_K_S") as caught:
        ModelReference("Q9")
    assert all(each.quantization in caught.value.remedy for each in CATALOG)


def test_the_commit_of_the_catalog_stands_for_no_revision() -> None:
    ours = ModelReference("q8_0")
    assert (ours.quantization, ours.wanted_revision) == ("Q8_0", REVISION)
    assert ours.pinned == entry("Q8_0")
    assert ModelReference("Q8_0", revision="main").pinned is None
    other = ModelReference("iq4_xs", "some/models")
    assert (other.quantization, other.wanted_revision, other.pinned) == ("IQ4_XS", "main", None)


@pytest.mark.parametrize(
    "repository", ["", "models", "a/b/c", "../models", "a/..", "a b/c", "/a/b"]
)
def test_a_malformed_repository_is_refused(repository: str) -> None:
    with pytest.raises(UsageError, match="not the name of a repository"):
        ModelReference("Q8_0", repository)


@pytest.mark.parametrize("revision", ["", "..", "a/../b", "/main", "main/", "a\nb", "a b"])
def test_a_malformed_revision_is_refused(revision: str) -> None:
    with pytest.raises(UsageError, match="not the name of a revision"):
        ModelReference("Q8_0", revision=revision)


def test_the_download_command_names_what_was_asked_for() -> None:
    assert ModelReference("q8_0").download_command == "distil download --quant Q8_0"
    assert ModelReference("q8_0", "some/models", "refs/pr/1").download_command == (
        "distil download --quant Q8_0 --repo some/models --revision refs/pr/1"
    )


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"12345")
    assert local(path) == ModelFile(path, "own.gguf", 5)


def test_a_file_that_can_t_be_opened_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="No such file"):
        local(tmp_path / "none.gguf")
    with pytest.raises(ModelUnavailableError, match="is a folder; "):
        local(tmp_path)
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(
        ModelUnavailableError, match=r"pipe\.gguf is a pipe; llama.cpp needs a file"
    ):
        local(tmp_path / "pipe.gguf")
    with pytest.raises(ModelUnavailableError, match="is a device; "):
        local(Path(os.devnull))


def test_a_split_model(tmp_path: Path) -> None:
    first, second = (tmp_path / f"own-0000{number}-of-00002.gguf" for number in (1, 2))
    with pytest.raises(ModelUnavailableError, match="No such file"):
        local(first)
    first.write_bytes(b"12345")
    with pytest.raises(ModelUnavailableError, match=r"own-00002-of-00002\.gguf is missing"):
        local(first)
    second.write_bytes(b"123")
    assert local(first) == ModelFile(first, first.name, 8)
    with pytest.raises(ModelUnavailableError, match=r"Use its first part, .*/own-00001-of-00002"):
        local(second)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    path.touch(mode=0)
    with pytest.raises(ModelUnavailableError, match="Permission denied"):
        local(path)
