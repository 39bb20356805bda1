"""The processor's features have llama.cpp's names."""

import sys
from pathlib import Path

import pytest

from distilgpt2_cli.engine.llama.bindings import feature_names, features
from distilgpt2_cli.machine import processor

X86 = "processor\t: 0\nmodel name\t: Old CPU\nflags\t\t: fpu pni avx\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimddp i8mm\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_features_of_both_kinds(cpuinfo: Path) -> None:
    cpuinfo.write_text(X86)
    assert processor.name() == "Old CPU"
    assert processor.features() == {"SSE3", "AVX"}
    cpuinfo.write_text(ARM)
    assert processor.features() == {"NEON", "DOTPROD", "MATMUL_INT8"}
    cpuinfo.unlink()
    assert processor.features() == frozenset()


def test_this_build_uses_what_this_processor_has() -> None:
    """A name that is not spelled as llama.cpp spells it would show as a feature that is missed.

    The portable build leaves out what is newer than AVX2.
    """
    known = processor.features()
    newer = {name for name in known if name.startswith(("AVX512", "AVX_VNNI"))}
    used = set(feature_names(features())) & set(processor._LINUX_FLAGS)
    assert known
    assert used <= known
    assert known - used in (set(), newer)
