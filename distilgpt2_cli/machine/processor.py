"""The processor's name, and those of its features that llama.cpp uses."""

import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# llama.cpp's names of features, with those of Linux: "flags" on x86, "Features" on ARM. AMX is not
# among them: our builds leave it out, see tools/llama.cmake.
_LINUX_FLAGS: Mapping[str, str] = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "AVX": "avx",
    "AVX_VNNI": "avx_vnni",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "NEON": "asimd",
    "FP16_VA": "asimdhp",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
    "SME": "sme",
}
_MACOS_KEYS: Mapping[str, str] = {
    "NEON": "hw.optional.AdvSIMD",
    "FP16_VA": "hw.optional.arm.FEAT_FP16",
    "DOTPROD": "hw.optional.arm.FEAT_DotProd",
    "MATMUL_INT8": "hw.optional.arm.FEAT_I8MM",
    "SME": "hw.optional.arm.FEAT_SME",
}


def name() -> str:
    """Return the name of the processor's model."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    return _fields().get("model name") or platform.machine()


def features() -> frozenset[str]:
    """Return the processor's features in llama.cpp's names; none if they are not known."""
    if sys.platform == "darwin":
        return frozenset(each for each, key in _MACOS_KEYS.items() if _sysctl(key) == "1")
    fields = _fields()
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return frozenset(each for each, flag in _LINUX_FLAGS.items() if flag in flags)


def _fields() -> dict[str, str]:
    """Return the fields of the first processor; see proc_cpuinfo(5)."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = text.partition("\n\n")[0].splitlines()
    parted = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in parted}


def _sysctl(key: str) -> str:
    result = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True)
    return result.stdout.strip()
