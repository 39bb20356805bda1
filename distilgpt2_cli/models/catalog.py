"""The 14 quantizations of DistilGPT2 that distil knows, at one commit of their repository."""

from dataclasses import dataclass

from ..errors import UsageError

REPOSITORY = "QuantFactory/distilgpt2-GGUF"
REVISION = "b41ee4e4e4949dba1b3bed4f89a87198b82f851b"
DEFAULT_QUANTIZATION = "Q4_K_M"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One file of the repository: its quantization, bits per weight, size in bytes and SHA-256."""

    quantization: str
    bits: int
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name in the repository."""
        return f"distilgpt2.{self.quantization}.gguf"


# The sizes of Q4_0 and Q5_0 are those of a similar repository; only the hash of a file is checked.
CATALOG = (
    CatalogEntry(
        "Q2_K",
        2,
        65_221_280,
        "2814697719664bb69a7e6081d2d23fe0caab81afe8b7982b4220a17532579cbb",
    ),
    CatalogEntry(
        "Q3_K_S",
        3,
        71_657_312,
        "14b1f437231bac38adaf689f34b9a790befb3bfcef31945d7de4acaab9ce7350",
    ),
    CatalogEntry(
        "Q3_K_M",
        3,
        75_417_440,
        "81d4a15d16f0bfea8abe1784556ee9be99768017ebcfcaad68df99430eb604a5",
    ),
    CatalogEntry(
        "Q3_K_L",
        3,
        77_629_280,
        "33a1c7dc79333462d33702ace6e5d581ffb2d34b9d6d9c33d631e4b7050f4e53",
    ),
    CatalogEntry(
        "Q4_0",
        4,
        82_423_712,
        "a9f15630a0ddbcedc3df17b0ddfb8494de4ccab1eca9bd9cd0934cbf6360d5ed",
    ),
    CatalogEntry(
        "Q4_1",
        4,
        87_490_240,
        "c82be58119d2d56b2e5e2b07bf05efe37f00f23eedb7757f103a6b1556aa2a86",
    ),
    CatalogEntry(
        "Q4_K_S",
        4,
        82_423_712,
        "ee814e32dc211e5327e7294980a9f42893b03e06c50ee3e3d7c1f70590b183cb",
    ),
    CatalogEntry(
        "Q4_K_M",
        4,
        84_967_328,
        "2104675d33f11ed6bb9164f688ed196f0d51f18f60a33c5a7676c7013424affd",
    ),
    CatalogEntry(
        "Q5_0",
        5,
        92_556_800,
        "9bd3ad42cbc905af02041a036f8e181f50547a16c82122299bef7ca0e8f6f5d1",
    ),
    CatalogEntry(
        "Q5_1",
        5,
        97_623_328,
        "09ab629e2f72f7d70bc1bfc2e8e72d520dc8a5c0ad05afb56802eccacd0f73f4",
    ),
    CatalogEntry(
        "Q5_K_S",
        5,
        92_556_800,
        "83d9b78ded3062777cfa65482f8a8ad9e5b605023fc222d92ca37ed844445a5d",
    ),
    CatalogEntry(
        "Q5_K_M",
        5,
        94_593_536,
        "43fc53f1629f4f4f5a33e4be7cd2d021f57c401fb226710af98bef013f826e4b",
    ),
    CatalogEntry(
        "Q6_K",
        6,
        103_323_200,
        "2889212f5fb339fc5a869075fd7e9e6db26968571c3b82bd3d6c02647f996ef0",
    ),
    CatalogEntry(
        "Q8_0",
        8,
        132_303_872,
        "1eb0d880fc941ab747deca6885d2c77c6c7b0ee894ddbc0698795854896ae2a5",
    ),
)


def entry(quantization: str) -> CatalogEntry:
    """Return the entry of a quantization, whose name is case-insensitive.

    Raises:
        UsageError: the catalog has no such quantization.
    """
    for candidate in CATALOG:
        if candidate.quantization == quantization.upper():
            return candidate
    raise UsageError(
        f"There is no quantization {quantization!r} of DistilGPT2.", f"Use {_meant(quantization)}."
    )


def _meant(name: str) -> str:
    """Return the quantizations whose names begin so, however they are separated; else all."""
    known = [candidate.quantization for candidate in CATALOG]
    letters = _letters(name)
    meant = [each for each in known if letters and _letters(each).startswith(letters)] or known
    return f"one of {', '.join(meant)}" if len(meant) > 1 else meant[0]


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.upper()))
