"""Several completions at once, on llama.cpp itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from distilgpt2_cli.engine import Batch, Context, GenerationOptions, Model, Request, open_generator
from distilgpt2_cli.engine.sampling import plain_sampler
from distilgpt2_cli.errors import UsageError

OPTIONS = GenerationOptions(max_tokens=25)
WORDS = ("One", "Once upon a time", "In the beginning there was", "Hello", "A", "The end of all")


def requests(count: int) -> list[Request]:
    return [Request(WORDS[i % len(WORDS)], i, i) for i in range(count)]


def texts(
    model: Path,
    asked: list[Request],
    parallel: int,
    threads: int | None = None,
    options: GenerationOptions = OPTIONS,
    *,
    flash_attention: bool = False,
) -> list[str]:
    with open_generator(
        model, options, parallel=parallel, threads=threads, flash_attention=flash_attention
    ) as generator:
        batch = generator.complete_all(asked)
        made = [
            (completion.request, "".join(token.text for token in completion))
            for completion in batch
        ]
    assert [request for request, _ in made] == asked
    return [text for _, text in made]


@pytest.mark.parametrize("parallel", [2, 3, 8])
def test_the_same_requests_give_the_same_texts(tiny: Path, parallel: int) -> None:
    expected = texts(tiny, requests(12), parallel, threads=1)
    assert texts(tiny, requests(12), parallel, threads=2) == expected
    assert texts(tiny, requests(12), parallel) == expected


@pytest.mark.parametrize("parallel", [1, 2, 5])
@pytest.mark.parametrize("prompts", [WORDS, WORDS[:1]], ids=["many prompts", "one prompt"])
def test_every_token_is_drawn_from_its_own_text(
    tiny: Path, parallel: int, prompts: tuple[str, ...]
) -> None:
    """A sampler with the same seed draws the same after the same tokens alone.

    But for rare ties: the last bits of the logits depend on what is evaluated beside.
    """
    options = GenerationOptions(max_tokens=25, stop=("ing", "er"))
    asked = [Request(prompts[i % len(prompts)], i) for i in range(20)]
    with open_generator(tiny, options, parallel=parallel) as generator:
        made = [
            (completion.prompt, completion.seed, [token.id for token in completion])
            for completion in generator.complete_all(asked)
        ]
    others, count = 0, 0
    # Several sequences are evaluated with flash attention.
    with Model(tiny) as model, Context(model, flash_attention=parallel > 1) as context:
        for prompt, seed, tokens in made:
            sampler = plain_sampler(context, prompt, options, seed)
            context.rewind(0)
            context.evaluate(prompt)
            for token in tokens:
                others += sampler.sample(-1).token != token
                context.step([token])
            sampler.close()
            count += len(tokens)
    assert count > 50
    assert others <= (0 if parallel == 1 else count // 50)


@pytest.mark.parametrize("parallel", [1, 3])
def test_each_goes_past_the_window_by_itself(tiny: Path, parallel: int) -> None:
    options = GenerationOptions(max_tokens=160, ignore_eos=True)
    asked = [Request(WORDS[i] * (1 + 7 * i), i) for i in range(4)]
    made = texts(tiny, asked, parallel, options=options)
    alone = [
        texts(tiny, [request], 1, options=options, flash_attention=parallel > 1)[0]
        for request in asked
    ]
    if parallel == 1:
        assert made == alone
    assert [text[:40] for text in made] == [text[:40] for text in alone]
    assert all(len(text) > 300 for text in made)


def test_a_sequence_that_ends_gives_its_place_to_the_next(trained: Path) -> None:
    """The stop sequence comes early in some of the texts: their places are taken meanwhile."""
    options = GenerationOptions(max_tokens=24, stop=(".", ","))
    taken: list[int] = []

    def asked() -> Iterator[Request]:
        for seed in range(6):
            taken.append(seed)
            yield Request("The sea is", seed)

    with open_generator(trained, options, parallel=3) as generator:
        batch = generator.complete_all(asked())
        first = next(batch)
        assert taken == [0, 1, 2]
        lengths = [sum(1 for _ in first)]
        lengths += [sum(1 for _ in completion) for completion in batch]
    assert taken == [0, 1, 2, 3, 4, 5]
    assert len(set(lengths)) > 1
    assert max(lengths) <= 24


def test_what_has_begun_is_bounded(tiny: Path) -> None:
    """A slow first completion does not let the quick ones after it pile up."""
    taken = 0

    def asked() -> Iterator[Request]:
        nonlocal taken
        for _ in range(10_000):
            taken += 1
            # The first goes on, the others end with their first token.
            yield Request("Hello", 1)

    with open_generator(tiny, GenerationOptions(max_tokens=100), parallel=2) as generator:
        batch = generator.complete_all(asked())
        assert isinstance(batch, Batch)
        next(batch)
        for _ in range(200):
            batch.advance()
    assert 2 < taken <= 2 * 16 + 2


def test_interrupt_keeps_what_was_made(tiny: Path) -> None:
    with open_generator(tiny, OPTIONS, parallel=4) as generator:
        batch = generator.complete_all(requests(10))
        first = next(batch)
        made = [next(first).text for _ in range(5)]
        rest = batch.interrupt()
        assert [completion.request.number for completion in rest] == [1, 2, 3]
        for completion in (first, *rest):
            assert completion.finish_reason == "interrupted"
            assert completion.token_count == 5
        assert [len(list(completion)) for completion in rest] == [5, 5, 5]
        assert list(batch) == []
    whole = texts(tiny, requests(10), 4)
    assert whole[0].startswith("".join(made))


def test_a_new_batch_ends_the_one_before(tiny: Path) -> None:
    with open_generator(tiny, OPTIONS, parallel=2) as generator:
        first = next(generator.complete_all(requests(4)))
        next(first)
        second = generator.complete("Hello", 3)
        assert first.finish_reason == "interrupted"
        assert len(list(second)) == 25


def test_no_requests(tiny: Path) -> None:
    assert texts(tiny, [], 3) == []


def test_too_many_at_once(tiny: Path) -> None:
    with (
        pytest.raises(UsageError, match="257 sequences"),
        open_generator(tiny, OPTIONS, prompt="Hi", parallel=257),
    ):
        pass
