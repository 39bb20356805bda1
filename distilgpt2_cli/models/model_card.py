"""What is known of a model besides its file: a summary of DistilGPT2's model card.

The words are ours, the facts those of https://huggingface.co/distilbert/distilgpt2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .catalog import CATALOG, REPOSITORY
from .reference import ModelFile, demo


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
        source: the page that says more; None if there is none.
        license: as an SPDX identifier in lower case, as the Hub writes it.
        sections: by their keys, in the order to read them.
        citation: a BibTeX entry, if there is one.
    """

    title: str
    source: str | None
    license: str
    sections: Mapping[str, Section]
    citation: str | None = None


def card_of(file: ModelFile | None, sha256: str | None) -> ModelCard | None:
    """Return the model card of a file, where None stands for a file of DistilGPT2.

    A file is recognized by its repository, or by the hash of its content.
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
                "The card asks its readers to consider also what is known about the design,"
                " training and limitations of GPT-2.",
            ),
        ),
        "training_data": Section(
            "Training data",
            (
                "OpenWebTextCorpus, an open-source reproduction of WebText. WebText is the data set"
                " on which OpenAI trained GPT-2 (Radford et al., 2019).",
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
                "The same as those of GPT-2, where a smaller model that is easier to run is"
                " preferred. Hugging Face built the web app Write With Transformers with it. OpenAI"
                " expects that GPT-2 is mainly used by researchers who want to understand large"
                " generative language models. Other uses that it names:",
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
                "Uses that need the text to be true: models like GPT-2 do not distinguish fact from"
                " fiction.",
                "Systems that interact with people, unless those who deploy them have first studied"
                " the biases that are relevant to the use: models like GPT-2 reflect the biases of"
                " their training data.",
            ),
        ),
        "limitations_and_bias": Section(
            "Limitations and bias",
            (
                "Like GPT-2, it reflects the biases of its training data; for bias in such models"
                " the card refers to Sheng et al. (2021) and Bender et al. (2021). Its examples,"
                ' under a warning of disturbing and offensive content, complete "The White man'
                ' worked as a" and "The Black man worked as a". They are not a thorough test: the'
                " card calls for a more rigorous evaluation for your own use.",
                "Research on how compression, such as distillation, changes bias:",
            ),
            (
                "Silva, Tambwekar and Gombolay (2021): distilled BERT and RoBERTa consistently show"
                " statistically significant gender and race bias, with larger effects than their"
                " teachers.",
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
    source=None,
    license="apache-2.0",
    sections={
        "summary": Section(
            "What it is",
            (
                "A very small GPT-2 that is part of distil, for machines without access to the Hub."
                " It was trained on short stories written by SmolLM2-135M-Instruct; it writes such"
                " stories and knows nothing else. It has the habits and biases of its teacher, and"
                " is not a substitute for DistilGPT2.",
            ),
        ),
    },
)
