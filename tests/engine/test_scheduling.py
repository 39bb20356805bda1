"""Jobs of several callers in one scheduler."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from distilgpt2_cli.engine import (
    AdaptedFile,
    Adapter,
    Context,
    GenerationOptions,
    Generator,
    Model,
    Request,
)
from distilgpt2_cli.engine.records import ScoreRequest
from distilgpt2_cli.engine.scheduling import Job, Scheduler, Update
from distilgpt2_cli.engine.whole_texts import TextRequest
from distilgpt2_cli.models import demo
from tests.support import adapters, gguf
from tests.support.run import TIMEOUT


@pytest.mark.parametrize("alone", [True, False])
def test_short_jobs_do_not_hold_up_a_long_one(alone: bool) -> None:
    """Neither scores nor completions of one token, which free their sequence at once."""
    updates: list[Update] = []
    begun, ended = Event(), Event()

    def hand_over(new: Sequence[Update]) -> None:
        for update in new:
            updates.append(update)
            update.job.receive(update)

    last_ones: list[bool] = []

    def job(work: Request | TextRequest) -> Job:
        return Job(work, lambda update: last_ones.append(update.is_last))

    with Model(demo().path) as model:
        scheduler = Scheduler(model, 2, 1, hand_over)
        scheduler.start()
        options = GenerationOptions(max_tokens=60, ignore_eos=True)

        def follow(update: Update) -> None:
            begun.set()
            if update.is_last:
                ended.set()

        long = Job(Request("Once", 1, options=options), follow, alone)
        scheduler.submit(long)
        assert begun.wait(TIMEOUT)
        one = GenerationOptions(max_tokens=1)
        short = [
            *(job(Request([10 + i, 20, 30], 1, options=one)) for i in range(8)),
            *(job(ScoreRequest([[10 + i, 20, 30]], 1)) for i in range(8)),
        ]
        for each in short:
            scheduler.submit(each)
        assert ended.wait(TIMEOUT)
        scheduler.close()
    for kind in (Request, ScoreRequest):
        last = None
        for update in updates:
            if update.job is long:
                last = None
            elif isinstance(update.job.work, kind) and update.is_last:
                assert last is None, "two short jobs ended without a step of the long one between"
                last = update
    assert sum(last_ones) == len(short)


def test_short_prompts_that_wait_are_evaluated_together(tiny: Path) -> None:
    """And a job that is alone is what it is without them."""
    options = GenerationOptions(max_tokens=4, ignore_eos=True)
    made: dict[int, list[int]] = {}
    count, ended = 12, Event()

    def hand_over(new: Sequence[Update]) -> None:
        for update in new:
            update.job.receive(update)

    def job(number: int, *, alone: bool) -> Job:
        def receive(update: Update) -> None:
            made.setdefault(number, []).extend(token.id for token in update.tokens)
            assert update.error is None
            if len(made) == count + 1 and all(len(tokens) == 4 for tokens in made.values()):
                ended.set()

        return Job(Request([number + 1, 5, 7], number, options=options), receive, alone)

    with Model(tiny) as model:
        scheduler = Scheduler(model, 8, 1, hand_over)
        for number in range(count):
            scheduler.submit(job(number, alone=False))
        scheduler.submit(job(count, alone=True))
        scheduler.start()
        assert ended.wait(TIMEOUT)
        scheduler.close()
        with Context(model) as context:
            generator = Generator(context, options)
            single = generator.complete([count + 1, 5, 7], count)
            assert made[count] == [token.id for token in single]
        requests = [Request([number + 1, 5, 7], number) for number in range(count)]
        with Context(model, None, 1, 8) as context:
            batch = Generator(context, options).complete_all(requests)
            expected = [[token.id for token in completion] for completion in batch]
    # The same jobs at once are the same batch.
    assert [made[number] for number in range(count)] == expected


def test_other_scales_of_adapters_are_not_overtaken(tiny: Path, tmp_path: Path) -> None:
    """Jobs of equal scales that wait when a batch begins run together; later ones do not overtake.

    With two sequences, the order is: both of the first kind, then those of the second kind, of
    which one stands behind another of the first, and that one last.
    """
    shape = gguf.Shape(tokens=5001)
    path = adapters.write(tmp_path / "a.gguf", adapters.random_pairs(shape, 1))
    options = GenerationOptions(max_tokens=4, ignore_eos=True)
    begun: list[int] = []
    texts: dict[int, list[int]] = {}
    ended = Event()

    def hand_over(new: Sequence[Update]) -> None:
        for update in new:
            update.job.receive(update)

    def job(number: int, scale: float) -> Job:
        def receive(update: Update) -> None:
            assert update.error is None
            if number not in texts:
                begun.append(number)
            texts.setdefault(number, []).extend(token.id for token in update.tokens)
            if len(texts) == 6 and all(len(each) == 4 for each in texts.values()):
                ended.set()

        return Job(Request([30, 40], 1, options=options), receive, scales=(scale,))

    with Model(AdaptedFile(tiny, (Adapter(path),))) as model:
        scheduler = Scheduler(model, 2, 1, hand_over)
        for number, scale in enumerate((1.0, 1.0, 0.5, 1.0, 0.5, 1.0)):
            scheduler.submit(job(number, scale))
        scheduler.start()
        assert ended.wait(TIMEOUT)
        scheduler.close()
    # At the start the batch has the scale 1, so that nothing was put forward.
    assert begun == [0, 1, 2, 4, 3, 5]
    assert texts[0] == texts[1] == texts[3] == texts[5] != texts[2] == texts[4]
