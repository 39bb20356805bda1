"""Completions, on llama.cpp itself."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.engine import (
    Completion,
    Context,
    GenerationOptions,
    Generator,
    Model,
    Request,
    open_generator,
)
from distilgpt2_cli.engine.prompts import fit
from distilgpt2_cli.errors import UsageError
from tests.support import gguf

GREEDY = GenerationOptions(temperature=0, max_tokens=20)


def ids(completion: Completion) -> list[int]:
    return [token.id for token in completion]


@pytest.mark.parametrize("quantization", ["F32", "Q8_0", "Q4_0"])
def test_each_completion_equals_its_single_run(tmp_path: Path, quantization: str) -> None:
    path = gguf.write(tmp_path / "model.gguf", gguf.Shape(tokens=5001), quantization=quantization)
    options = GenerationOptions(max_tokens=40)
    with open_generator(path, options) as generator:
        together = [ids(generator.complete("Once upon a time", seed)) for seed in range(5)]
    for seed, expected in enumerate(together):
        with open_generator(path, options) as generator:
            assert ids(generator.complete("Once upon a time", seed)) == expected
    assert len({tuple(tokens) for tokens in together}) == 5


def test_each_completion_equals_its_single_run_past_the_window(tiny: Path) -> None:
    options = GenerationOptions(max_tokens=300, ignore_eos=True)
    with open_generator(tiny, options) as generator:
        first, second = ids(generator.complete("Once", 1)), ids(generator.complete("Once", 2))
        assert ids(generator.complete("Once", 1)) == first
        assert len(second) == 300
    with open_generator(tiny, options) as generator:
        assert ids(generator.complete("Once", 2)) == second


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_text_does_not_depend_on_threads(bundled: Path, threads: int) -> None:
    options = GenerationOptions(max_tokens=12)
    with open_generator(bundled, options, threads=1) as generator:
        expected = ids(generator.complete("The sea is", 7))
    with open_generator(bundled, options, threads=threads) as generator:
        assert ids(generator.complete("The sea is", 7)) == expected


def test_text_does_not_depend_on_the_size_of_the_context(tiny: Path) -> None:
    options = GenerationOptions(max_tokens=30)
    texts = set()
    with Model(tiny) as model:
        prompt = model.tokenize("One two three")
        for size in (40, 77, 128):
            with Context(model, size) as context:
                texts.add(tuple(ids(Generator(context, options).complete(prompt, 3))))
    assert len(texts) == 1


def test_greedy_is_the_largest_logit_whatever_the_seed(tiny: Path) -> None:
    with Model(tiny) as model, Context(model) as context:
        prompt = model.tokenize("Hello")
        context.evaluate(prompt)
        logits = list(context.copy_logits())
        generator = Generator(context, GREEDY)
        runs = {tuple(ids(generator.complete(prompt, seed))) for seed in (0, 1, 2**32 - 2)}
    (only,) = runs
    assert only[0] == logits.index(max(logits))


def test_past_the_window_the_last_half_is_evaluated_anew(tiny: Path) -> None:
    """The logits after the turn are those of a fresh context that holds just these tokens."""
    options = GenerationOptions(temperature=0, max_tokens=-1, ignore_eos=True)
    with Model(tiny) as model, Context(model) as context:
        prompt = model.tokenize("Hello")
        completion = Generator(context, options).complete(prompt, 0)
        made = [token.id for token in itertools.islice(completion, 128 - len(prompt) + 2)]
        turned = context.copy_logits()
        completion.interrupt()
        assert len(context.tokens[0]) == 64
    with Model(tiny) as model, Context(model) as fresh:
        fresh.evaluate([*prompt, *made[:-1]][-64:])
        assert list(fresh.copy_logits()) == list(turned)


def test_goes_on_for_many_windows(tiny: Path) -> None:
    options = GenerationOptions(max_tokens=500, ignore_eos=True)
    with open_generator(tiny, options) as generator:
        completion = generator.complete("Hello", 5)
        assert len(ids(completion)) == 500
        assert completion.finish_reason == "length"
        assert len(generator.context.tokens[0]) <= 128


@pytest.mark.parametrize("length", [1, 126, 127, 128, 129, 500])
def test_a_prompt_of_any_length(tiny: Path, length: int) -> None:
    options = GenerationOptions(max_tokens=10, ignore_eos=True)
    with Model(tiny) as model, Context(model) as context:
        generator = Generator(context, options)
        completion = generator.complete([42] * length, 1)
        assert completion.dropped_tokens == (0 if length <= 128 else length - 118)
        assert len(ids(completion)) == 10


@pytest.mark.parametrize(
    ("length", "max_tokens", "kept"),
    [(128, 128, 128), (129, 10, 118), (129, 100, 64), (1000, -1, 64), (1000, 5000, 64)],
)
def test_a_long_prompt_keeps_its_end(length: int, max_tokens: int, kept: int) -> None:
    prompt = list(range(length))
    assert fit(prompt, 128, max_tokens) == prompt[-kept:]


def test_no_prompt_is_the_start_token(tiny_gpt2: Path) -> None:
    with open_generator(tiny_gpt2, GREEDY) as generator:
        completion = generator.complete("", 0)
        assert list(completion.prompt) == [gguf.END_OF_TEXT]
        assert completion.dropped_tokens == 0


def test_finish_reasons(tiny: Path) -> None:
    with open_generator(tiny, GenerationOptions(max_tokens=3)) as generator:
        completion = generator.complete("Hello", 1)
        assert completion.finish_reason is None
        texts = [token.text for token in completion]
        assert completion.finish_reason == "length"
        assert completion.token_count == len(texts) == 3
        assert completion.seconds > 0
    stop = "".join(texts)[4:6]
    with open_generator(tiny, GenerationOptions(stop=(stop,))) as generator:
        completion = generator.complete("Hello", 1)
        assert "".join(token.text for token in completion) == "".join(texts).partition(stop)[0]
        assert completion.finish_reason == "stop"


def test_interrupt_returns_what_was_held_back(tiny: Path) -> None:
    with open_generator(tiny, GenerationOptions(max_tokens=50)) as generator:
        whole = "".join(token.text for token in generator.complete("Hello", 1))
        never = whole[:30] + "\N{SNOWMAN}"
    options = GenerationOptions(max_tokens=50, stop=(never,))
    with open_generator(tiny, options) as generator:
        completion = generator.complete("Hello", 1)
        token = next(completion)
        assert token.text == ""
        completion.interrupt()
        assert completion.finish_reason == "interrupted"
        (rest,) = completion
        assert rest.text
        assert whole.startswith(rest.text)


def test_end_of_text_ends_unless_ignored(trained: Path) -> None:
    with Model(trained) as model, Context(model, 512) as context:
        start, end = model.start_token, model.end_tokens
        tokens = [start, *model.tokenize("user\nSay the word yes."), *end[-1:]]
        tokens += [*model.tokenize("\n"), start, *model.tokenize("assistant\n")]
        for ignore in (False, True):
            options = GenerationOptions(temperature=0, max_tokens=60, ignore_eos=ignore)
            completion = Generator(context, options).complete(tokens, 0)
            made = ids(completion)
            assert completion.finish_reason == ("length" if ignore else "eos")
            assert (made[-1] in end) is not ignore
            assert not set(made[:-1]) & set(end)


def test_penalties_count_the_prompt(tiny: Path) -> None:
    plain = GenerationOptions(temperature=0, max_tokens=1)
    with Model(tiny) as model, Context(model) as context:
        prompt = model.tokenize("Hello")
        (best,) = ids(Generator(context, plain).complete(prompt, 0))
        again = [*prompt, best]
        (repeated,) = ids(Generator(context, plain).complete(again, 0))
        forbidding = GenerationOptions(
            temperature=0, max_tokens=50, presence_penalty=100, ignore_eos=True
        )
        made = ids(Generator(context, forbidding).complete([*again, repeated], 0))
    assert len({*made, *again, repeated}) == len(made) + len({*again, repeated})


def test_a_context_above_the_window_is_refused(tiny: Path) -> None:
    """llama.cpp would abort the process."""
    with Model(tiny) as model, pytest.raises(UsageError, match=r"129 tokens.*from 1 to 128"):
        Context(model, 129)


def test_options_are_fixed(tiny: Path) -> None:
    """A grammar that was set afterwards used to be ignored, and one set before to stay."""
    with open_generator(tiny, GREEDY) as generator:
        with pytest.raises(AttributeError):
            generator.options = GenerationOptions(grammar='root ::= "a"')  # type: ignore[misc]
        with pytest.raises(AttributeError):
            generator.alternatives = 3  # type: ignore[misc]
        assert (generator.options, generator.alternatives) == (GREEDY, None)


def test_a_request_has_options_of_its_own(tiny: Path) -> None:
    own = GenerationOptions(max_tokens=5, stop=("zz",), grammar="root ::= [0-9]+")
    other = GenerationOptions(grammar='root ::= "yes" | "no"')
    with open_generator(tiny, other) as generator:
        batch = generator.complete_all(
            [
                Request("Hello", 1),
                Request("Hello", 1, options=own),
                Request("Hello", 1, options=GREEDY, alternatives=2),
                Request("Hello", 1, options=other),
            ]
        )
        first, digits, plain, last = (list(completion) for completion in batch)
    assert "".join(token.text for token in first) in ("yes", "no")
    assert last == first
    assert "".join(token.text for token in digits).isdecimal()
    assert len(plain) == 20
    assert all(token.observation and len(token.observation.top) == 2 for token in plain)
    with open_generator(tiny, own) as generator:
        assert list(generator.complete("Hello", 1)) == digits


def test_the_bindings_come_without_the_package_and_leave_it_whole() -> None:
    script = (
        "import sys, distilgpt2_cli.engine.llama.bindings\n"
        "assert 'numpy' not in sys.modules and 'llama_cpp' not in sys.modules\n"
        "import llama_cpp\n"
        "assert llama_cpp.Llama and llama_cpp.llama_cpp.llama_decode\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
