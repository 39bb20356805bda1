"""Grammars: what is refused, with its line, and that the rest gives only texts that follow."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilgpt2_cli.engine import GenerationOptions, Generator, constrained, open_generator
from distilgpt2_cli.engine.grammar.gbnf import GrammarError
from distilgpt2_cli.engine.grammar.json_schema import to_grammar
from distilgpt2_cli.engine.grammar.rules import understand
from distilgpt2_cli.errors import UsageError
from tests.support.extent import ALL_CASES
from tests.support.run import TIMEOUT

DEMO = Path(__file__).parents[3] / "distilgpt2_cli/data/demo.gguf"
PROMPT = "Once upon a time"

# With a regular expression of the same language.
GRAMMARS = [
    ('root ::= "a"* [b-d]{2,3} "end"', r"a*[b-d]{2,3}end"),
    ("root ::= .{7}", r"(?s:.{7})"),
    ("root ::= [α-ω]{2} [^\\x00-\\x7F]{2} [あ-ん]", r"[α-ω]{2}[^\x00-\x7f]{2}[あ-ん]"),
    ("root ::= [\\U0001F600-\\U0001F64F]{3}", "[\U0001f600-\U0001f64f]{3}"),
    ("root ::= [^a-zA-Z ,.]{4}", r"[^a-zA-Z ,.]{4}"),
    ('root ::= " " word (" " word){0,4} [.!]\nword ::= [a-z]+', r" [a-z]+( [a-z]+){0,4}[.!]"),
    ('root ::= ("a"? "b"?){3} "." # three\n', r"(a?b?){3}\."),
    ('root ::= (x | "")* "z"\nx ::= "xy" | "x"', r"(xy|x)*z"),
    ("root ::= [àéû]{3}", r"[àéû]{3}"),
]
SCHEMAS = [
    {"type": "object",
     "properties": {"name": {"type": "string", "maxLength": 9}, "age": {"type": "integer"},
                    "ok": {"type": "boolean"}}, "required": ["name"]},
    {"type": "array", "items": {"enum": ["a\"b\\", "é😀", 1, None, {"x": [True]}]},
     "minItems": 1, "maxItems": 4},
    {"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "required": ["value", "next"], "properties": {
            "value": {"type": "number"},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}}},
    {"prefixItems": [{"type": "string", "minLength": 2, "maxLength": 5},
                     {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{1,3}$"},
                     {"type": "string", "format": "date"}]},
    {"type": "object", "properties": {"node": {"type": "string", "maxLength": 3},
                                      "x": {"$ref": "#/definitions/node"}},
     "required": ["node", "x"], "definitions": {"node": {"type": "integer"}}},
    {"type": "object", "required": ["p"], "properties": {"p": {  # a pydantic tuple
        "type": "array", "minItems": 2, "maxItems": 2,
        "prefixItems": [{"type": "integer", "format": "int32"},
                        {"type": "string", "maxLength": 3, "example": "x", "x-order": 1}]}}},
    {"prefixItems": [{"type": "boolean"}], "minItems": 1, "items": False},
]  # fmt: skip


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    options = GenerationOptions(max_tokens=60)
    with open_generator(DEMO, options, threads=1) as generator:
        yield generator


def complete(generator: Generator, seed: int, options: GenerationOptions) -> tuple[str, bool, str]:
    made = Generator(generator.context, options).complete(PROMPT, seed)
    text = "".join(token.text for token in made)
    return text, made.complete, str(made.finish_reason)


seeds = st.integers(0, 2**32 - 2)
few = settings(max_examples=5 if ALL_CASES else 3)


@pytest.mark.parametrize(("grammar", "expression"), GRAMMARS)
@few
@given(
    seed=seeds,
    temperature=st.sampled_from([0, 0.7, 1, 30]),
    top_k=st.sampled_from([0, 1, 50]),
    penalty=st.sampled_from([1, 1.3]),
)
def test_every_text_follows(
    generator: Generator,
    grammar: str,
    expression: str,
    seed: int,
    temperature: float,
    top_k: int,
    penalty: float,
) -> None:
    options = GenerationOptions(
        max_tokens=40, temperature=temperature, top_k=top_k, repetition_penalty=penalty,
        grammar=grammar,
    )  # fmt: skip
    text, complete_text, reason = complete(generator, seed, options)
    assert complete_text == bool(re.fullmatch(expression, text)), (text, reason)
    if reason != "length":
        assert complete_text


@pytest.mark.parametrize("schema", SCHEMAS)
@few
@given(seed=seeds, temperature=st.sampled_from([0, 1, 2]))
def test_every_json_fits_its_schema(
    generator: Generator, schema: object, seed: int, temperature: float
) -> None:
    grammar = to_grammar(json.dumps(schema))
    options = GenerationOptions(max_tokens=150, temperature=temperature, grammar=grammar)
    text, complete_text, reason = complete(generator, seed, options)
    if reason == "length" and not complete_text:
        return
    jsonschema.validate(json.loads(text), schema)


def test_most_jsons_come_to_their_end(generator: Generator) -> None:
    grammar = to_grammar(json.dumps(SCHEMAS[4]))
    options = GenerationOptions(max_tokens=60, grammar=grammar)
    ended = [complete(generator, seed, options)[1] for seed in range(5)]
    assert ended.count(True) >= 4


@pytest.mark.parametrize(("top_k", "top_p"), [(50, 1), (0, 1), (0, 0.9)])
def test_what_is_drawn_from_is_the_grammar_over_the_whole_vocabulary(
    generator: Generator, monkeypatch: pytest.MonkeyPatch, top_k: int, top_p: float
) -> None:
    """The ways round the whole vocabulary change nothing."""
    grammar = 'root ::= " " [a-z ]{3,40} "."'
    chosen = GenerationOptions(top_k=top_k, top_p=top_p, grammar=grammar)
    made = Generator(generator.context, chosen, alternatives=0)
    completion = made.complete(PROMPT, 1)
    seen = []
    prune = constrained.likely_candidates

    def compare(text: Any, logits: Any, adjuster: Any, wanted: int, banned: Any) -> Any:
        assert not len(banned)
        kept = prune(text, logits, adjuster, wanted)
        everything = np.zeros(len(logits), kept.dtype)
        everything["id"], everything["logit"] = np.arange(len(logits)), logits
        allowed = text.allowed(everything)
        best = set(allowed["id"][np.argsort(-allowed["logit"])][:wanted])
        assert best <= set(kept["id"]) <= set(allowed["id"])
        seen.append(len(best))
        return kept

    monkeypatch.setattr(constrained, "likely_candidates", compare)
    text = "".join(token.text for token in completion)
    assert re.fullmatch(r" [a-z ]{3,40}\.", text)
    assert len(seen) == completion.token_count - 1  # the first was drawn before


def test_the_end_of_text_where_the_grammar_is_complete_only(generator: Generator) -> None:
    options = GenerationOptions(max_tokens=100, grammar="root ::= [a-z]{5,}")
    for seed in range(5 if ALL_CASES else 2):
        text, complete_text, reason = complete(generator, seed, options)
        assert re.fullmatch("[a-z]{5,}", text)
        assert complete_text
        assert reason in ("eos", "length")
    endless = GenerationOptions(max_tokens=20, ignore_eos=True, grammar="root ::= [a-z]{5,}")
    assert complete(generator, 1, endless)[2] == "length"
    closed = GenerationOptions(ignore_eos=True, grammar="root ::= [a-z]{5}")
    assert complete(generator, 1, closed)[1:] == (True, "stop")


def test_control_tokens_are_no_text(trained: Path) -> None:
    """Their names would follow; what is printed of them would not."""
    options = GenerationOptions(max_tokens=30, grammar='root ::= "<|im_start|>" [a-z]{3}')
    with open_generator(trained, options, prompt="Hi") as generator:
        text = "".join(token.text for token in generator.complete("Hi", 1))
        assert re.fullmatch(r"<\|im_start\|>[a-z]{3}", text)
        with pytest.raises(UsageError, match=r"Line 1 .* no token of the model spells"):
            Generator(generator.context, GenerationOptions(grammar='root ::= "\\x04"'))


@pytest.mark.parametrize(
    ("grammar", "line", "reason"),
    [
        ("", 1, "no rule 'root'"),
        ('a ::= "x"', 1, "no rule 'root'"),
        ('root ::= "a"\n\nb ::= c', 3, "no rule 'c'"),
        ('root ::= "a\n', 1, "is not closed"),
        ("root ::= [a", 1, "is not closed"),
        ('root ::= ("a"\n| "b"', 2, "not closed"),
        ('root ::= "a" )', 1, "')' is unexpected there"),
        ('root = "a"', 1, "::= is missing"),
        ('\n\nroot ::= "\\q"', 3, "not an escape"),
        ('root ::= "a"\nroot ::= "b"', 2, "second time"),
        ("root ::= *", 1, "there is nothing before"),
        ('root ::= "a"{', 1, "is missing after {"),
        ('root ::= "a"{3,2}', 1, "reversed"),
        ('root ::= "a"{2001}', 1, "repetitions is over 2000"),
        ('root ::= "a"{99999999999999999999}', 1, "repetitions is over 2000"),
        ("root ::= [z-a]", 1, "reversed"),
        ("root ::= []", 1, "contains no character"),
        ("root ::= [^\\x00-\\U0010FFFF]", 1, "contains no character"),
        ('root ::= "\\uD800"', 1, "not a character of a text"),
        ('root ::= "\\UFFFFFFFF"', 1, "not a character of a text"),
        ('root ::= "a\0"', 1, "NUL"),
        ("root ::= <|endoftext|>", 1, "tokens can't be named"),
        ('root ::= ""', 1, "only the empty text"),
        ('root ::= "a" |\n  b\nb ::= "x" b', 3, "a text of rule 'b' never ends"),
        ('root ::= root "a" | "b"', 1, "can begin with itself"),
        ('root ::= "a" | x\nx ::= y root\ny ::= z\nz ::= ""', 1, "begin with itself"),
        ('root ::= "x" ("a"? "b"?){0,200}', 1, "may be empty can't be repeated more than 5"),
        ("root ::= " + "(" * 3000 + '"a"' + ")" * 3000, 1, "too deep"),
        ("root ::= " + "[a-ce-gi-l]{2000} " * 200, 1, "too large"),
    ],
)
def test_what_is_refused(grammar: str, line: int, reason: str) -> None:
    with pytest.raises(GrammarError) as error:
        understand(grammar)
    assert error.value.line == line
    assert reason in error.value.reason


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("[", "is not JSON: Expecting value: line 1"),
        ('{"const": NaN}', "NaN is not a JSON value"),
        ("3", "# is not a schema"),
        ("false", "allows nothing"),
        ('{"type": "strin"}', "has no type"),
        ('{"type": "number", "minimum": 3}', "# uses 'minimum'"),
        ('{"oneOf": [{"type": "string"}]}', "uses 'oneOf'"),
        ('{"properties": {"a": {"not": {}}}}', "#/properties/a uses 'not'"),
        ('{"type": "string", "format": "email"}', "format 'email'"),
        ('{"type": "string", "pattern": "^.*$"}', "'pattern'"),
        ('{"type": "string", "pattern": "^[ -~]$"}', "'pattern'"),
        ('{"type": "string", "pattern": "a"}', "'pattern'"),
        ('{"type": "string", "maxLength": 1, "minLength": 2}', "below its"),
        ('{"enum": ["a"], "type": "integer"}', "not of its type"),
        ('{"$ref": "other.json"}', "not within it"),
        ('{"$ref": "#/$defs/a"}', "not there"),
        ('{"type": "object", "required": ["a"]}', "requires 'a'"),
        ('{"a":' * 2000 + "1" + "}" * 2000, "nested too deeply"),
        ('{"items":' * 500 + "{}" + "}" * 500, "nested too deeply"),
        ('{"properties": {"a": {}}, "required": [["a"]]}', "#/required/0 is not the name"),
        ('{"enum": [1], "type": [{}]}', "# has the unknown type {}"),
        ('{"prefixItems": [{}], "minItems": 2}', "# has 1 'prefixItems' and asks for another"),
        ('{"type": "array", "minItems": true}', "'minItems' that is not a whole number"),
        ('{"prefixItems": [{}], "minItems": null}', "'minItems' that is not a whole number"),
        ('{"anyOf": [{"enum": [1e999]}]}', "#/anyOf/0 allows a number that is too large"),
        ('{"const": {"a": [-1e999]}}', "# allows a number that is too large"),
        ('{"const": ' + "1" * 5000 + "}", "is not JSON: a number has 5000 digits"),
        ('{"$ref": "#"}', "# refers to itself in every case"),
        ('{"anyOf": [{"$ref": "#"}]}', "# refers to itself in every case"),
        ('{"anyOf": [{"$ref": "#"}, {"type": "null"}]}', "# refers to itself before anything"),
        (
            '{"items": {"$ref": "#/$defs/a"},'
            ' "$defs": {"a": {"items": {"$ref": "#/$defs/a"}, "minItems": 1}}}',
            "#/$defs/a refers to itself in every case",
        ),
    ],
)
def test_a_schema_that_is_refused(schema: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        to_grammar(schema)
    assert reason in error.value.what
    assert "grammar" not in error.value.what


scalars = st.none() | st.booleans() | st.integers(-1, 3) | st.floats() | st.text(max_size=3)
references = st.sampled_from(
    ["#", "#/items", "#/anyOf/0", "#/$defs/a", "object", "array", "string"]
)
keywords = st.sampled_from(
    ["type", "enum", "const", "items", "prefixItems", "minItems", "maxItems", "properties",
     "required", "additionalProperties", "anyOf", "allOf", "$ref", "$defs", "a", "format",
     "pattern", "minLength", "maxLength", "x-a"]
)  # fmt: skip
values = st.recursive(
    scalars | references,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(keywords, part, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keywords, values, max_size=4))
@settings(max_examples=200 if ALL_CASES else 60, deadline=None)
def test_any_json_is_taken_or_refused(schema: dict[str, object]) -> None:
    with suppress(UsageError):
        understand(to_grammar(json.dumps(schema)))


def test_grammars_at_random() -> None:
    """A part of ``make fuzz``; see there."""
    command = [sys.executable, "-m", "tests.fuzz.grammars", "10", "7"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("grammars tried: 10 ")
