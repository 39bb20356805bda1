"""transformers on PyTorch, which reads the same GGUF files and dequantizes them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distilgpt2_cli.engine import GenerationOptions
from tests.support.numpy_gpt2 import ReferenceInside
from tests.support.raw_llama import Evaluation

# Both are read when transformers is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"


class TransformersPeer:
    """A model and its tokenizer, in 32-bit floats on the processor.

    Attributes:
        model: transformers' own object.
        tokenizer: transformers' own object.
    """

    def __init__(self, path: Path) -> None:
        """Load a GGUF file."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        file: dict[str, Any] = {
            "pretrained_model_name_or_path": path.parent,
            "gguf_file": path.name,
        }
        config = AutoConfig.from_pretrained(**file)
        # It reads the number of positions, but not into the field that the model is made from.
        config.n_positions = config.n_ctx
        self.tokenizer: Any = AutoTokenizer.from_pretrained(**file)
        self.model: Any = AutoModelForCausalLM.from_pretrained(
            **file, config=config, dtype=torch.float32
        ).eval()
        self._torch: Any = torch

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, in which special tokens are text."""
        return list(self.tokenizer.encode(text, split_special_tokens=True))

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, leaving out special ones."""
        return str(
            self.tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def evaluate(self, tokens: Sequence[int]) -> Evaluation:
        """Return logits and hidden states of all positions."""
        with self._torch.inference_mode():
            output = self.model(self._torch.tensor([tokens]), output_hidden_states=True)
        return Evaluation(output.logits[0].numpy(), output.hidden_states[-1][0].numpy())

    def look_inside(self, tokens: Sequence[int]) -> ReferenceInside:
        """Return hidden states and attention of all layers, and the logits of the logit lens."""
        usual = self.model.config._attn_implementation
        self.model.set_attn_implementation("eager")  # the others have no attention to give
        with self._torch.inference_mode():
            output = self.model(
                self._torch.tensor([tokens]), output_hidden_states=True, output_attentions=True
            )
            norm, head = self.model.transformer.ln_f, self.model.lm_head
            lens = [head(norm(states)) for states in output.hidden_states[:-1]]
        self.model.set_attn_implementation(usual)
        stacked = (
            np.stack([each[0].numpy() for each in layers])
            for layers in (output.hidden_states, output.attentions, [*lens, output.logits])
        )
        return ReferenceInside(*stacked)

    def continue_greedily(self, tokens: Sequence[int], count: int) -> list[int]:
        """Return up to ``count`` most likely tokens after a text, as far as its end."""
        with self._torch.inference_mode():
            output = self.model.generate(
                self._torch.tensor([tokens]),
                attention_mask=self._torch.ones(1, len(tokens), dtype=self._torch.int64),
                max_new_tokens=count,
                do_sample=False,
                pad_token_id=self.model.config.eos_token_id,
            )
        return list(map(int, output[0, len(tokens) :]))

    def search(
        self, tokens: Sequence[int], options: GenerationOptions
    ) -> list[tuple[list[int], float]]:
        """Return the texts that a beam search finds, the best first, with their scores."""
        end = self.model.config.eos_token_id
        with self._torch.inference_mode():
            output = self.model.generate(
                self._torch.tensor([tokens]),
                attention_mask=self._torch.ones(1, len(tokens), dtype=self._torch.int64),
                max_new_tokens=options.max_tokens,
                do_sample=False,
                num_beams=options.num_beams,
                num_return_sequences=options.num_beams,
                length_penalty=options.length_penalty,
                early_stopping=options.early_stopping,
                no_repeat_ngram_size=options.no_repeat_ngram_size,
                return_dict_in_generate=True,
                output_scores=True,
                pad_token_id=end,
            )
        texts = output.sequences[:, len(tokens) :].tolist()
        return [
            (text[: text.index(end) + 1] if end in text else text, score)
            for text, score in zip(texts, output.sequences_scores.tolist(), strict=True)
        ]
