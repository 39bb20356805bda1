"""What is known of a model beside its file: in short what DistilGPT2's model card says.

The words are ours, the facts those of https://huggingface.co/distilbert/distilgpt2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .bundled import demo
from .catalog import CATALOG, REPOSITORY
from .reference import ModelFile


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a model card: paragraphs, and then a list."""

    title: str
    paragraphs: Sequence[str]
    items: Sequence[str] = ()

    @property
    def text(self) -> str:
        """All of it, with an empty line between paragraphs."""
        items = "\n".join(f"- {item}" for item in self.items)
        return "\n\n".join([*self.paragraphs, items] if items else self.paragraphs)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model.

    Attributes:
        title: the model's name.
        source: the page that says more.
        license: as an SPDX identifier in lower case, as the Hub writes it.
        sections: by their keys, in the order to read them.
        citation: a BibTeX entry, if there is one.
    """

    title: str
    source: str
    license: str
    sections: Mapping[str, Section]
    citation: str | None = None


def card_of(file: ModelFile | None, sha256: str | None) -> ModelCard | None:
    """Return the card of a file: None stands for DistilGPT2's, which needn't be here.

    A file is known by where it came from, or by the hash of its content.
    """
    if file is None or file.repository == REPOSITORY:
        return DISTILGPT2
    if file == demo():
        return DEMO_MODEL
    return DISTILGPT2 if sha256 in {entry.sha256 for entry in CATALOG} else None


DISTILGPT2 = ModelCard(
    title="DistilGPT2",
    source="https://huggingface.co/distilbert/distilgpt2",
    license="apache-2.0",
    sections={
        "summary": Section(
            "What it is",
            (
                "A language model for English text, developed by Hugging Face: a Transformer of 82"
                " million parameters, distilled from the smallest GPT-2, which has 124 million, to"
                " be lighter and faster. Its licence is Apache 2.0.",
                "The card asks its readers to consider what is known of GPT-2's design, training"
                " and limitations as well.",
            ),
        ),
        "training_data": Section(
            "Training data",
            (
                "OpenWebTextCorpus, an open-source reproduction of WebText. WebText is the data"
                " set of OpenAI that GPT-2 was trained on (Radford et al., 2019).",
            ),
        ),
        "training_procedure": Section(
            "Training procedure",
            (
                "The tokenizer is GPT-2's, a byte-level byte pair encoding (BPE). The model was"
                " trained by knowledge distillation, much as DistilBERT was (Sanh et al., 2019).",
            ),
        ),
        "intended_uses": Section(
            "Intended uses",
            (
                "Those of GPT-2, where a smaller model that is easier to run is wanted. Hugging"
                " Face built the web app Write With Transformers with it. OpenAI had researchers"
                " in mind who want to understand large generative language models, and besides:",
            ),
            (
                "help with writing: grammar, and autocompletion of prose or code;",
                "creative writing and art: fiction, poetry and other literature;",
                "entertainment: games, chat bots, amusing texts.",
            ),
        ),
        "out_of_scope_uses": Section(
            "Out-of-scope uses",
            (
                "Whatever needs the text to be true: models like GPT-2 do not tell fact from"
                " fiction.",
                "Systems that interact with people, unless whoever deploys them has first studied"
                " the biases that matter for the use: models like GPT-2 reflect those of what they"
                " were trained on.",
            ),
        ),
        "limitations_and_bias": Section(
            "Limitations and bias",
            (
                "It reflects the biases of what it was trained on, as GPT-2 does; on bias in such"
                " models the card names Sheng et al. (2021) and Bender et al. (2021). Its examples,"
                ' under a warning of disturbing and offensive content, complete "The White man'
                ' worked as a" and "The Black man worked as a". They are no thorough test: the card'
                " calls for a more rigorous evaluation for one's own use.",
                "How compression, such as distillation, changes bias is being studied:",
            ),
            (
                "Silva, Tambwekar and Gombolay (2021): distilled BERT and RoBERTa consistently show"
                " statistically significant bias of gender and race, with larger effects than"
                " their teachers.",
                "Xu and Hu (2022): distilled GPT-2 is consistently less toxic and less biased than"
                " its teacher.",
                "Gupta et al. (2022): DistilGPT2 shows greater gender disparities than GPT-2; they"
                " propose a way to mitigate that.",
            ),
        ),
        "evaluation": Section(
            "Evaluation",
            (
                "Perplexity on the test set of WikiText-103, as its creators report: 21.1, after"
                " fine-tuning on the train set. GPT-2 reaches 16.3.",
            ),
        ),
        "emissions": Section(
            "Emissions",
            (
                "149.2 kg CO2 eq., estimated with the Machine Learning Impact calculator (Lacoste"
                " et al., 2019) for 8 16GB V100 in use for 168 hours (one week) at Azure. The"
                " region is not known; East US was assumed.",
            ),
        ),
    },
    citation="""\
@inproceedings{sanh2019distilbert,
  title={DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter},
  author={Sanh, Victor and Debut, Lysandre and Chaumond, Julien and Wolf, Thomas},
  booktitle={NeurIPS EMC^2 Workshop},
  year={2019}
}""",
)

DEMO_MODEL = ModelCard(
    title="The demo model",
    source="docs/demo-model.md",
    license="apache-2.0",
    sections={
        "summary": Section(
            "What it is",
            (
                "A very small GPT-2 that comes with distil, for machines that have not reached the"
                " Hub. It was trained on short stories that SmolLM2-135M-Instruct wrote; it writes"
                " such stories and knows nothing else. It has its teacher's habits and biases, and"
                " does not stand in for DistilGPT2.",
            ),
        ),
    },
)
