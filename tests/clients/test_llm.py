"""distil as a plugin of llm: through llm's program, and through its library in this process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.engine.options import RANGES, GenerationOptions
from distilgpt2_cli.errors import ExitStatus
from tests.clients.conftest import LLM_PLUGINS
from tests.support.examples import block
from tests.support.extent import cases
from tests.support.fork_server import ForkServer
from tests.support.gguf_copy import copy_with_text
from tests.support.hub import Hub
from tests.support.run import COMMON, TIMEOUT, run
from tests.support.stock import stock

llm = pytest.importorskip("llm", reason="llm is in the extra llm")
from distilgpt2_cli.plugins import llm_options, llm_plugin  # noqa: E402

LLM_SERVER = ForkServer({**COMMON, **LLM_PLUGINS}, "llm")
DEMO = "distilgpt2-demo"
PROMPT = "Once upon a time"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of llm's log, which takes longer to make than a response."""
    return tmp_path_factory.mktemp("llm")


@pytest.fixture
def env(env: dict[str, str], log: Path) -> dict[str, str]:
    return {**env, "LLM_USER_PATH": str(log)}


@pytest.fixture
def model() -> Any:
    """The model of the bundled file."""
    registered: list[Any] = []
    llm_plugin.register_models(registered.append)
    return registered[1]


def program(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run llm with nothing on standard input, in a child of a process that has it imported."""
    status, output, errors = LLM_SERVER.run(arguments, env, b"", TIMEOUT)
    return subprocess.CompletedProcess(arguments, status, output.decode(), errors.decode())


def new_program(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run llm as a person does."""
    command = [sys.executable, "-m", "llm", *arguments]
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def generated(env: dict[str, str], *arguments: str, model: str = "demo") -> str:
    own = {name: value for name, value in env.items() if not name.startswith(("LLM_", "LITELLM_"))}
    result = run("generate", "--model", model, *arguments, env=own)
    assert result.returncode == 0, result.stderr
    return result.stdout.decode()


def logged(env: dict[str, str]) -> Any:
    """Return the newest response of the log."""
    (newest,) = json.loads(program(env, "logs", "--count", "1", "--json").stdout)
    return newest


@pytest.mark.parametrize(
    ("options", "arguments"),
    cases(
        [
            ((), ()),
            (
                (
                    "temperature=0.7",
                    "top_k=0",
                    "top_p=0.9",
                    "ignore_eos=true",
                    "max_tokens=30",
                    'logit_bias={"262": -5, "11": null}',
                ),
                (
                    "-t",
                    "0.7",
                    "--top-k=0",
                    "--top-p=0.9",
                    "--ignore-eos",
                    "--max-tokens",
                    "30",
                    "--logit-bias=262-5",
                    "--logit-bias=11-inf",
                ),
            ),
            (('stop=["\\n", "."]',), ("--stop", "\\n", "--stop", ".")),
            (('grammar=root ::= " yes" | " no"',), ("--choices", " yes| no")),
            (("num_beams=3", "max_tokens=9"), ("--num-beams", "3", "--max-tokens", "9")),
        ],
        # All cases are each of the options alone, and a text that is longer than the window.
        [
            (("max_tokens=300", "ignore_eos=true"), ("--max-tokens", "300", "--ignore-eos")),
            (("temperature=0.7", "top_k=0"), ("-t", "0.7", "--top-k=0")),
            (("top_p=0.9",), ("--top-p=0.9",)),
            (("stop=.",), ("--stop", ".")),
            (
                ('logit_bias={"262": -5, "11": null}',),
                ("--logit-bias=262-5", "--logit-bias=11-inf"),
            ),
        ],
    ),
)
def test_a_text_is_that_of_generate(
    env: dict[str, str], options: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    given = [part for each in ("seed=42", *options) for part in ("-o", *each.split("=", 1))]
    result = program(env, "-m", DEMO, *given, PROMPT)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == generated(env, "-s", "42", *arguments, PROMPT)


def test_the_model_that_generate_uses(env: dict[str, str], tiny: Path) -> None:
    env = {**env, "DISTIL_MODEL": str(tiny)}
    result = program(env, "-m", "distilgpt2", "-o", "seed", "1", "--no-stream", "ab")
    assert result.stdout == generated(env, "-s", "1", "ab", model=str(tiny))
    assert logged(env)["resolved_model"] == tiny.name


def test_a_drawn_seed_and_the_counts_are_in_the_log(env: dict[str, str]) -> None:
    text = program(env, "-m", DEMO, "-o", "max_tokens", "9", PROMPT).stdout
    record = logged(env)
    assert (record["model"], record["prompt"], record["resolved_model"]) == (DEMO, PROMPT, "demo")
    assert (record["input_tokens"], record["output_tokens"]) == (4, 9)
    assert record["options_json"] == {"max_tokens": 9}
    details = record["response_json"]
    assert (details["finish_reason"], details["dropped_tokens"]) == ("length", 0)
    seed = str(details["seed"])
    assert text == generated(env, "-s", seed, "--max-tokens", "9", PROMPT)


def test_the_models_and_options_are_listed(env: dict[str, str]) -> None:
    installed = {name: value for name, value in env.items() if name != "LLM_LOAD_PLUGINS"}
    listed = new_program(installed, "models", "list").stdout
    assert "Distil: distilgpt2\nDistil: distilgpt2-demo\n" in listed
    described = program(env, "models", "list", "-q", DEMO, "--options").stdout
    for name in ("seed", *GenerationOptions.__dataclass_fields__):
        assert f"    {name}: " in described
    assert "most likely tokens only; 0 is off. Default: 50." in described


def test_every_option_has_the_engines_range_and_a_meaning() -> None:
    for name, (low, high) in RANGES.items():
        assert getattr(llm_options.Options(**{name: low}), name) == low
        for value in (low - 1, high + 1):
            with pytest.raises(ValueError, match=rf"{name} can't be .* Use a number from"):
                llm_options.Options(**{name: value})
    for name, outside in (("seed", -1), ("max_tokens", 0)):  # with ranges of their own
        with pytest.raises(ValueError, match=rf"{name} can't be {outside}\. Use "):
            llm_options.Options(**{name: outside})
    for name, field in llm_options.Options.model_fields.items():
        assert field.default is None, name
        assert len(field.description or "") > 10, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    cases(
        [
            (("-o", "stop", ""), "stop can't be ''. Use texts of at least one character."),
            (("-o", "logit_bias", "the"), "It can't be the. Use one value, or a JSON list."),
            (("-o", "grammar", "root ::="), "Line 1 of the grammar can't be used"),
            (("-o", "typical", "1"), "Extra inputs are not permitted"),
            (
                ("-s", "Be brief."),
                "This model only continues a text, and can't have a system prompt.",
            ),
            (("-o", "grammar", 'root ::= "a"', "--schema", "age int"), "can't be combined"),
            (("-o", "grammar", 'root ::= "a"', "-o", "num_beams", "2"), "num_beams can't be 2."),
        ],
        # All cases are more of the ranges, which a test above tries without the program.
        [
            (("-o", "top_p", "2"), "top_p can't be 2.0. Use a number from 0 to 1."),
            (("-o", "seed", "-1"), "seed can't be -1. Use a number from 0 to 4294967294."),
            (("-o", "max_tokens", "0"), "max_tokens can't be 0. Use -1 for no limit, or a number"),
        ],
    ),
)
def test_what_is_refused(env: dict[str, str], arguments: tuple[str, ...], message: str) -> None:
    result = program(env, "-m", DEMO, *arguments, PROMPT)
    assert result.returncode == ExitStatus.FAILED
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_that_is_not_downloaded(env: dict[str, str], hub: Hub) -> None:
    result = program(env, "-m", "distilgpt2", PROMPT)
    assert result.stderr.endswith(
        " is not downloaded, and distil is in offline mode. Use the model distilgpt2-demo, or run"
        " `distil download --quant Q4_K_M` when you are online.\n"
    )
    stock(hub)  # with a file of the right name and another content
    online = env | hub.environment(NO_PROXY="127.0.0.1")
    result = program(online, "-m", "distilgpt2", PROMPT)
    assert "distilgpt2.Q4_K_M.gguf on the Hub differs from the catalog" in result.stderr


def test_a_damaged_model(env: dict[str, str], tmp_path: Path, bundled: Path) -> None:
    path = copy_with_text(bundled, tmp_path / "other.gguf", "tokenizer.ggml.pre", "xxxxx")
    for name, message in ((path, "unknown"), (tmp_path / "none.gguf", "none.gguf")):
        result = program({**env, "DISTIL_MODEL": str(name)}, "-m", "distilgpt2", PROMPT)
        assert result.returncode == ExitStatus.FAILED
        assert message in result.stderr


def test_tokens_stream_as_they_come(model: Any) -> None:
    response = model.prompt(PROMPT, seed=42, max_tokens=20)
    pieces = list(response)
    assert 10 < len(pieces) <= 20
    assert "".join(pieces) == response.text() == model.prompt(PROMPT, seed=42, max_tokens=20).text()


def test_responses_do_not_disturb_each_other(model: Any) -> None:
    alone = [model.prompt(PROMPT, seed=seed, max_tokens=30).text() for seed in (1, 2)]
    first, second = (iter(model.prompt(PROMPT, seed=seed, max_tokens=30)) for seed in (1, 2))
    parts = [next(first), next(second)]
    assert [parts[0] + "".join(first), parts[1] + "".join(second)] == alone


def test_a_conversation_is_one_text_and_the_model_is_loaded_once(
    env: dict[str, str], model: Any
) -> None:
    llm_plugin._loaded.cache_clear()
    conversation = model.conversation()
    first = conversation.prompt(PROMPT, seed=1, max_tokens=9).text()
    second = conversation.prompt("The end", seed=2, max_tokens=9).text()
    whole = f"{PROMPT}\n{first}\nThe end"
    assert second + "\n" == generated(env, "-s", "2", "--max-tokens", "9", whole)
    assert llm_plugin._loaded.cache_info().misses == 1


def test_a_schema_is_followed(model: Any) -> None:
    schema = {"type": "object", "properties": {"legs": {"enum": [2, 4]}}, "required": ["legs"]}
    response = model.prompt("A dog:", seed=1, schema=schema)
    assert json.loads(response.text())["legs"] in (2, 4)
    assert response.response_json["finish_reason"] == "stop"


def test_a_prompt_that_is_longer_than_the_window(model: Any) -> None:
    response = model.prompt("word " * 2000, seed=1, max_tokens=2)
    assert response.text()
    assert response.response_json["dropped_tokens"] > 500
    assert response.usage().output == 2


def test_the_examples_of_the_page(env: dict[str, str]) -> None:
    page = "docs/llm.md"
    command = block(page, "sh", "llm -m distilgpt2-demo")
    shell = ["/bin/sh", "-c", f'llm() {{ "{sys.executable}" -m llm "$@"; }}\n{command}']
    result = subprocess.run(shell, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    text = generated(env, "-s", "42", "--max-tokens", "20", PROMPT)
    assert result.stdout.decode() == text
    shown = json.loads(block(page, "json", "{"))
    record = logged(env)
    assert set(shown["response_json"]) == set(record["response_json"])
    assert {name: record[name] for name in shown if name != "response_json"} == {
        name: value for name, value in shown.items() if name != "response_json"
    }
    script = [sys.executable, "-c", block(page, "python", "import llm")]
    printed = subprocess.run(script, env=env, capture_output=True, text=True)
    assert (printed.returncode, printed.stdout[-6:]) == (0, "42 19\n"), printed.stderr


def test_generate_imports_nothing_of_it(env: dict[str, str]) -> None:
    script = (
        "import sys\n"
        "from distilgpt2_cli.__main__ import main\n"
        "sys.argv = ['distil', 'generate', '-m', 'demo', '-s', '1', 'Once']\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted(sys.modules), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert "'distilgpt2_cli.engine.generator'" in result.stderr
    for name in ("'distilgpt2_cli.plugins", "'llm'", "'pydantic'"):
        assert name not in result.stderr
