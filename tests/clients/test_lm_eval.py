"""lm-evaluation-harness, unmodified, beside `distil score`'s figures and its own `hf` model."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from distilgpt2_cli.engine import Evaluator, Model, ScoredText, Scorer
from distilgpt2_cli.models import demo
from tests.clients.harness import MOST_TOKENS, STOPS, Item, evaluate, make_tasks
from tests.support import gguf
from tests.support.run import environment
from tests.support.server import serving

if not find_spec("lm_eval"):
    pytest.skip("lm-eval is not installed: make test-clients installs it", allow_module_level=True)

KINDS = ("multiple_choice", "loglikelihood_rolling", "generate_until")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    make_tasks(folder, 20)
    return folder


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model(demo().path) as model:
        yield model


def log_likelihood(scorer: Scorer, context: Sequence[int], tokens: Sequence[int]) -> float:
    """Return what `distil score` gives, added up as the harness does."""
    (score,) = scorer.score_together([ScoredText([*context, *tokens], len(context), 0)])
    return float(sum(score.logprobs.tolist()))


@pytest.mark.parametrize(("concurrent", "batch_size"), [(1, 1), (1, 7), (4, 16)])
def test_every_kind_of_task(tmp_path: Path, model: Model, concurrent: int, batch_size: int) -> None:
    make_tasks(tmp_path, 20)
    window = model.window
    with serving("--model", "demo", env=environment(tmp_path / "home")) as server:
        arguments = {
            "base_url": f"{server.url}/v1/completions",
            "model": "demo",
            "max_length": window,
            "num_concurrent": concurrent,
        }
        found = evaluate(tmp_path, "local-completions", arguments, batch_size, *KINDS)
    with Evaluator(model, window, 1) as evaluator:
        scorer = Scorer(evaluator)
        for item in found["multiple_choice"]:
            for (context, continuation), (value, _) in zip(
                item.arguments, item.answers, strict=True
            ):
                before = model.tokenize(context)
                whole = model.tokenize(context + continuation)
                assert float(value) == log_likelihood(scorer, before, whole[len(before) :])
        for item in found["loglikelihood_rolling"][:2]:  # the third is longer than the window
            tokens = model.tokenize(str(item.arguments[0][0]))
            assert float(item.answers[0]) == log_likelihood(scorer, [model.start_token], tokens)
        long = found["loglikelihood_rolling"][2]
        count = len(model.tokenize(str(long.arguments[0][0])))
        assert count > window
        assert -20 * count < float(long.answers[0]) < -count / 2
    for item in found["generate_until"]:
        (text,) = item.answers
        assert not any(stop in text for stop in STOPS)
        assert len(model.tokenize(text)) <= MOST_TOKENS


def test_greedy_is_told_as_the_figures_say(tasks: Path, model: Model) -> None:
    with serving("--model", "demo", env=environment(tasks / "home")) as server:
        arguments = {"base_url": f"{server.url}/v1/completions", "model": "demo", "max_length": 256}
        found = evaluate(tasks, "local-completions", arguments, 4, "multiple_choice")
        asked = server.complete(
            prompt=model.tokenize("Once upon a time"), max_tokens=1, logprobs=1, echo=True
        )
    values = [float(value) for item in found["multiple_choice"] for value, _ in item.answers]
    assert max(values) < 0
    (choice,) = asked.json["choices"]
    logprobs = choice["logprobs"]
    for value, top in zip(
        logprobs["token_logprobs"][1:], logprobs["top_logprobs"][1:], strict=True
    ):
        assert value <= max(top.values())
        assert (value == max(top.values())) == (value in top.values())


def test_beside_its_own_model_on_the_same_weights(tmp_path: Path) -> None:
    if not find_spec("torch") or not find_spec("transformers"):
        pytest.skip("torch and transformers are not installed: make peers installs them")
    make_tasks(tmp_path, 8)
    (tmp_path / "model").mkdir()
    path = gguf.write(tmp_path / "model" / "F32.gguf", gguf.DISTILGPT2)
    kinds = KINDS[:2]
    with serving("--model", str(path), env=environment(tmp_path / "home")) as server:
        url = f"{server.url}/v1/completions"
        arguments = {"base_url": url, "model": "F32", "max_length": 1024}
        ours = evaluate(tmp_path, "local-completions", arguments, 4, *kinds)
    own = {"pretrained": path.parent, "gguf_file": path.name, "dtype": "float32"}
    # Of a window, the harness leaves a token for the prefix and, over HTTP, one for the completion.
    theirs = evaluate(tmp_path, "hf", {**own, "max_length": 1022}, 4, *kinds)
    for kind in kinds:
        for one, other in zip(ours[kind], theirs[kind], strict=True):
            assert one.arguments == other.arguments
            assert values_of(one) == pytest.approx(values_of(other), rel=1e-3)


def values_of(item: Item) -> list[float]:
    return [float(each[0] if isinstance(each, list) else each) for each in item.answers]
