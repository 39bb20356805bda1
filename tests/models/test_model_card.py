"""Which model a card belongs to, and that its facts are the card's."""

from pathlib import Path

import pytest

from distilgpt2_cli.models import ModelFile, demo
from distilgpt2_cli.models.catalog import CATALOG, REPOSITORY, REVISION
from distilgpt2_cli.models.model_card import DEMO_MODEL, DISTILGPT2, card_of

OWN = ModelFile(Path("own.gguf"), "own.gguf", 1)


@pytest.mark.parametrize(
    ("key", "facts"),
    [
        ("summary", ["Hugging Face", "82 million", "124 million", "English", "Apache 2.0"]),
        ("training_data", ["OpenWebTextCorpus", "WebText", "Radford et al., 2019"]),
        ("training_procedure", ["byte-level", "BPE", "distillation", "Sanh et al., 2019"]),
        ("intended_uses", ["researchers", "autocompletion", "creative writing", "games"]),
        ("out_of_scope_uses", ["to be true", "interact with people", "biases"]),
        (
            "limitations_and_bias",
            [
                "Sheng et al. (2021)",
                "Bender et al. (2021)",
                "Silva, Tambwekar and Gombolay (2021)",
                "Xu and Hu (2022)",
                "Gupta et al. (2022)",
            ],
        ),
        ("evaluation", ["WikiText-103", "test set", "21.1", "fine-tuning", "16.3"]),
        ("emissions", ["149.2 kg CO2 eq.", "8 16GB V100", "168 hours", "Azure", "East US"]),
    ],
)
def test_the_card_has_its_facts(key: str, facts: list[str]) -> None:
    for fact in facts:
        assert fact in DISTILGPT2.sections[key].text


def test_a_section_s_text_has_all_of_it() -> None:
    for section in DISTILGPT2.sections.values():
        for part in (*section.paragraphs, *section.items):
            assert part in section.text


def test_whose_card_it_is() -> None:
    assert card_of(ModelFile(OWN.path, "a.gguf", 1, REPOSITORY, REVISION), None) is DISTILGPT2
    assert card_of(ModelFile(OWN.path, "a.gguf", 1, "some/models", REVISION), None) is None
    assert card_of(demo(), None) is DEMO_MODEL
    assert card_of(OWN, "0" * 64) is None
    for entry in CATALOG:
        assert card_of(OWN, entry.sha256) is DISTILGPT2
