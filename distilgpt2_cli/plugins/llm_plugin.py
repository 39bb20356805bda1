"""DistilGPT2 as a model of ``llm``, computed in its process (https://llm.datasette.io/)."""

import atexit
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import llm
from llm.parts import TextPart

from ..errors import DistilError, ModelUnavailableError, UsageError
from ..failures import explained
from .llm_options import Options, chosen

if TYPE_CHECKING:
    from ..engine import Completion, GenerationOptions, Model, Offload
    from ..models import ModelFile
    from ..terminal import Terminal

_MODEL, _DEMO = "distilgpt2", "distilgpt2-demo"


@llm.hookimpl
def register_models(register: Callable[[llm.Model], None]) -> None:
    """Add the model that `distil generate` uses, and the small bundled one."""
    register(Distil(_MODEL, _default))
    register(Distil(_DEMO, _demo))


class Distil(llm.Model):
    """A model that continues texts, with the same bytes as `distil generate`.

    It stays loaded until the process ends; each response has a context of its own.
    """

    can_stream = True
    supports_schema = True
    Options = Options  # type: ignore[assignment]

    def __init__(self, model_id: str, locate: "Callable[[], ModelFile]") -> None:
        """Take its name, and what finds its file when it is needed."""
        self.model_id = model_id
        self._locate = locate

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,  # noqa: ARG002 # whoever does not stream joins the pieces
        response: llm.Response,
        conversation: llm.Conversation | None,  # noqa: ARG002 # the prompt has its messages
    ) -> Iterator[str]:
        """Yield the text that continues the prompt, and record its seed and counts.

        Raises:
            ModelError: the prompt can't be continued.
        """
        try:
            yield from self._continue(prompt, response)
        except (DistilError, OSError, MemoryError) as error:
            raise llm.ModelError(str(explained(error))) from error

    def _continue(self, prompt: llm.Prompt, response: llm.Response) -> Iterator[str]:
        from ..engine.options import choose_seed
        from ..engine.session import generator_of

        options, seed = _options(prompt)
        text, file = _text(prompt), self._locate()
        with generator_of(_loaded(file.path, _layers()), options, prompt=text) as generator:
            completion = generator.complete(text, choose_seed(seed))
            for token in completion:
                if token.text:
                    yield token.text
        _record(response, completion, file)


def _options(prompt: llm.Prompt) -> "tuple[GenerationOptions, int | None]":
    """Return the options with the prompt's schema as their grammar, and the seed."""
    options, seed = chosen(prompt.options)
    if prompt.schema is None:
        return options, seed
    if options.grammar is not None:
        raise UsageError("A schema and a grammar can't be combined.", "Use one of them.")
    from ..engine.grammar.json_schema import to_grammar

    return replace(options, grammar=to_grammar(json.dumps(prompt.schema))), seed


def _text(prompt: llm.Prompt) -> str:
    """Return the texts of a conversation, joined by line ends as llm does it for OpenAI's API."""
    messages = prompt.messages
    if any(message.role == "system" for message in messages):
        raise UsageError(
            "This model only continues a text, and can't have a system prompt.",
            "Begin the prompt with that text instead.",
        )
    parts = (part for message in messages for part in message.parts)
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def _record(response: llm.Response, completion: "Completion", file: "ModelFile") -> None:
    response.set_usage(input=len(completion.prompt), output=completion.token_count)
    response.set_resolved_model(file.name)
    response.response_json = {
        "seed": completion.seed,
        "finish_reason": completion.finish_reason,
        "dropped_tokens": completion.dropped_tokens,
        "model": {
            "name": file.name,
            "path": str(file.path),
            "repository": file.repository,
            "revision": file.revision,
        },
    }


def _layers() -> "Offload":
    from ..engine.llama.placement import Offload

    return Offload.parse(os.environ.get("DISTIL_GPU_LAYERS") or "auto", ())


@cache
def _loaded(path: Path, offload: "Offload") -> "Model":
    from ..engine.llama.loading import load

    model = load(path, offload)
    atexit.register(_close, model)
    return model


def _close(model: "Model") -> None:
    if not model.contexts:  # a response that nobody has read to its end still uses the model
        model.close()


def _demo() -> "ModelFile":
    from ..models import demo

    return demo()


def _default() -> "ModelFile":
    """Return the file that `distil generate` uses without options, downloaded if it is missing.

    Raises:
        ModelUnavailableError: it is missing, and can't be downloaded.
    """
    from ..models import ModelFile, download, find
    from ..models.choice import choose_model
    from ..models.hub_settings import is_offline

    wanted = choose_model(os.environ)
    if isinstance(wanted, ModelFile):
        return wanted
    if file := find(wanted):
        return file
    if is_offline(os.environ):
        raise ModelUnavailableError(
            f"{wanted.quantization} of {wanted.repository} is not downloaded, and distil is in"
            " offline mode.",
            f"Use the model {_DEMO}, or run `{wanted.download_command}` when you are online.",
        )
    terminal = _standard_error()
    return download(wanted, progress=terminal.progress, notice=terminal.notice)


def _standard_error() -> "Terminal":
    """Return a terminal that shows progress on standard error, which notebooks do not have."""
    from ..terminal import Terminal

    stderr = getattr(sys.stderr, "buffer", None) or io.BytesIO()
    return Terminal(None, io.BytesIO(), stderr, os.environ)
