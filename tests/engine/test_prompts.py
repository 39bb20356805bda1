"""Prompts that are evaluated together, and those that are not."""

from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, Request
from distilgpt2_cli.engine.prompts import PromptEvaluator, _groups

OPTIONS = GenerationOptions(max_tokens=8, ignore_eos=True)


def prompts_of(*lengths: int) -> list[tuple[int, ...]]:
    """Return prompts that differ in every token."""
    return [tuple(range(7 * i, 7 * i + length)) for i, length in enumerate(lengths)]


def grouped(*lengths: int) -> list[list[int]]:
    return [[len(prompt) for prompt in group] for group in _groups(prompts_of(*lengths))]


def test_which_prompts_go_together() -> None:
    assert grouped(1, 8, 3, 5) == [[1, 8, 3, 5]]
    assert grouped(9, 16, 8, 12, 10, 17) == [[9, 16, 12, 10]]
    assert grouped(30, 31, 30, 30, 30) == [[30] * 4]
    assert grouped(30, 31, 32, 33, 34) == []
    assert grouped(5, 5, 5) == []
    assert grouped(*[100] * 12) == [[100] * 5, [100] * 5]  # no more than a micro-batch
    assert grouped(*[600] * 16) == []


@pytest.mark.parametrize("lengths", [(3, 8, 5, 1, 8), (40, 40, 40, 40, 40), (9, 16, 10, 11, 12)])
def test_each_has_the_logits_of_its_own_text(tiny: Path, lengths: tuple[int, ...]) -> None:
    prompts = prompts_of(*lengths)
    with Model(tiny) as model, Context(model, sequences=6) as context:
        together, alone = PromptEvaluator(context), PromptEvaluator(context)
        assert together.evaluate_together(prompts, range(1, 6)) == [1, 2, 3, 4, 5]
        found = []
        for sequence, prompt in enumerate(prompts, 1):
            assert together.is_held(prompt, sequence)
            assert context.tokens[sequence] == list(prompt)
            together.evaluate(prompt, sequence)
            found.append(np.array(context.copy_logits()))
            context.step([9], [sequence])
            found.append(np.array(context.copy_logits()))
        for sequence, prompt in enumerate(prompts, 1):
            alone.evaluate(prompt, sequence)
            rows = found[2 * sequence - 2 : 2 * sequence]
            np.testing.assert_allclose(rows[0], np.array(context.copy_logits()), atol=0.05)
            context.step([9], [sequence])
            np.testing.assert_allclose(rows[1], np.array(context.copy_logits()), atol=0.05)


def test_a_prompt_that_is_held_is_copied(tiny: Path) -> None:
    with Model(tiny) as model, Context(model, sequences=3) as context:
        prompts = PromptEvaluator(context)
        first, other = prompts_of(5, 6)
        prompts.evaluate(first, 0)
        expected = list(context.copy_logits())
        prompts.evaluate(other, 1)
        prompts.evaluate(first, 2)
        assert list(context.copy_logits()) == expected
        assert prompts.is_held(first, 0)
        assert prompts.is_held(first, 2)
        prompts.evaluate(other, 0)
        prompts.overwritten(2)
        assert not prompts.is_held(first, 0)
        assert not prompts.is_held(first, 2)
        prompts.copied(1, 2)
        assert prompts.is_held(other, 2)


def texts(generator: Generator, prompts: list[tuple[int, ...]]) -> list[str]:
    requests = [Request(prompt, seed) for seed, prompt in enumerate(prompts)]
    return ["".join(token.text for token in each) for each in generator.complete_all(requests)]


def test_the_texts_depend_on_the_requests_alone(tiny: Path) -> None:
    """Not on the threads, and not on what the same sequences held before."""
    prompts = prompts_of(3, 8, 5, 1, 20, 20, 20, 20, 9, 2, 2, 7) * 2
    with Model(tiny) as model:
        found = []
        for threads in (1, 2):
            with Context(model, None, threads, 4) as context:
                generator = Generator(context, OPTIONS)
                found += [texts(generator, prompts)]
                texts(generator, prompts[3:5])
                found += [texts(generator, prompts)]
        assert all(each == found[0] for each in found)


def test_completions_of_one_prompt_begin_with_the_same_logits(tiny: Path) -> None:
    (prompt,) = prompts_of(4)
    options = GenerationOptions(max_tokens=1, temperature=0)
    with Model(tiny) as model, Context(model, sequences=4) as context:
        assert len({*texts(Generator(context, options), [prompt] * 9)}) == 1
