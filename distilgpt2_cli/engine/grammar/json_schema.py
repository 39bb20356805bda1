"""JSON Schema to a grammar, by llama-cpp-python's converter.

The converter (``llama_cpp/llama_grammar.py``) passes over what it does not know, so that its texts
may not fit the schema, and some of its rules give what is not JSON. So a schema is looked through
first, and refused where it asks for more; those rules are replaced.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ...errors import UsageError
from ..llama.bindings import import_alone
from .gbnf import GrammarError
from .rules import understand

_NOTES = {
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "$schema", "$id", "$comment", "$defs", "definitions",
    "example", "externalDocs", "xml",  # of OpenAPI
}  # fmt: skip
_TYPES: dict[str, set[str]] = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
    "number": {"format"},  # of OpenAPI, such as int32: an annotation, as formats are by default
    "integer": {"format"},
    "boolean": set(),
    "null": set(),
}
_FORMATS = ("date", "time", "date-time", "uuid")
_ANYTHING = {"type": list(_TYPES)}
# What the converter turns into a grammar of the same strings, without quotes and backslashes.
_SET = r'\[(?:[0-9]-[0-9]|[a-z]-[a-z]|[A-Z]-[A-Z]|[^]["\\^\x00-\x1F\x7F-])+-?\]'
_PATTERN = re.compile(rf'\^(?:{_SET}|[^][."\\^$|\x00-\x1F\x7F])*\$')
_TWICE_REPEATED = re.compile(r"[*+?}][*+?{]|\(\?")
_LITERAL = re.compile(r'[\x00-\x1F"\\]')
_DEFINITION = "definition-{}-of-the-schema"
_MOST_DIGITS = 4000  # Python refuses to convert more than 4300
_MEANINGS = {
    "never ends": "refers to itself in every case, so that its JSON never ends",
    "can begin with itself": "refers to itself before anything else",
    "it is too large": "repeats something too often",
}
"""What is wrong with a schema, for what is said of its grammar."""

_HEX = "[0-9a-fA-F]"
# The converter's own allow control characters in strings, halves of surrogate pairs, and exponents
# that no floating-point number has.
_CHARACTER = (
    r'[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt]'
    rf' | "u" ([0-9a-cA-CefEF] {_HEX} | [dD] [0-7]) {_HEX} {_HEX})'
)
_NUMBER = '("-"? integral-part) ("." decimal-part)? ([eE] [-+]? [0-9] [0-9]?)? space'


def to_grammar(text: str) -> str:
    """Return a grammar in GBNF whose texts are JSON that fits a schema.

    Not all such JSON follows it: keys come in the order of the schema, for instance.

    Raises:
        UsageError: the text is not a JSON Schema, or asks for what is not supported.
    """
    try:
        schema = json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number)
    except RecursionError:
        _refuse("#", "is nested too deeply")
    except ValueError as error:
        raise UsageError(
            f"The JSON schema is not JSON: {error}.", "Correct it, or check it with `jq .`."
        ) from None
    preparation = _Preparation(schema)
    try:
        grammar = _convert(preparation.done())
    except RecursionError:
        _refuse("#", "is nested too deeply, or repeats something too often")
    _check(grammar, preparation)
    return grammar


def _check(grammar: str, preparation: "_Preparation") -> None:
    """Make sure that the grammar can be obeyed, and speak of the schema if it can't.

    Raises:
        UsageError: it can't be.
    """
    try:
        understand(grammar)
    except GrammarError as error:
        place = preparation.place_of(grammar.split("\n")[error.line - 1])
        reason = next((said for words, said in _MEANINGS.items() if words in error.reason), None)
        _refuse(place, reason or f"makes a grammar that can't be used: {error.reason}")


def _convert(schema: dict[str, Any]) -> str:
    converting = import_alone("llama_cpp.llama_grammar")
    rules = converting.PRIMITIVE_RULES
    own = {
        id(rules["char"]): converting.BuiltinRule(_CHARACTER, []),
        id(rules["number"]): converting.BuiltinRule(_NUMBER, rules["number"].deps),
    }

    class Converter(converting.SchemaConverter):  # type: ignore[name-defined, misc]
        def _format_literal(self, literal: str) -> str:
            return f'"{_LITERAL.sub(_escaped, literal)}"'

        def _add_primitive(self, name: str, rule: Any) -> Any:
            return super()._add_primitive(name, own.get(id(rule), rule))

    converter = Converter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    try:
        converter.visit(converter.resolve_refs(schema, ""), "")
    except RecursionError:
        raise
    except Exception as error:  # it has no exceptions of its own: assertions, and what goes wrong
        reason = str(error) or type(error).__name__
        _refuse("#", f"is refused by llama-cpp-python's converter, which says: {reason}")
    # The converter lets a space follow whatever it ends with; a text shall end without.
    lines = converter.format_grammar().split("\n")
    return "".join(
        (line.removesuffix(" space") if line.startswith("root ::= ") else line) + "\n"
        for line in lines
    )


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02X}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _refuse(place: str, reason: str) -> NoReturn:
    raise UsageError(
        f"The JSON schema can't be used: {place} {reason}.",
        "Leave that out, or write it differently.",
    )


class _Preparation:
    """A schema as the converter understands it fully; it is refused where it does not."""

    def __init__(self, schema: Any) -> None:
        self._whole = schema
        self._names: dict[str, str] = {}  # of what each $ref refers to
        self._waiting: list[tuple[str, str, Any]] = []

    def place_of(self, rule: str) -> str:
        """Return the place in the schema that a rule of its grammar stands for."""
        return next((place for place, name in self._names.items() if rule.startswith(name)), "#")

    def done(self) -> dict[str, Any]:
        prepared = self._schema(self._whole, "#")
        definitions = {}
        while self._waiting:
            name, place, target = self._waiting.pop()
            definitions[name] = self._schema(target, place)
        return prepared | {"$defs": definitions}

    def _schema(self, schema: Any, place: str) -> dict[str, Any]:
        if schema is True:
            return dict(_ANYTHING)
        if not isinstance(schema, dict):
            _refuse(place, "is not a schema" if schema is not False else "allows nothing")
        asked = {
            key: value
            for key, value in schema.items()
            if key not in _NOTES and not key.startswith("x-")
        }
        if not asked:
            return dict(_ANYTHING)
        if len(asked) == 1 and isinstance(asked.get("allOf"), list) and len(asked["allOf"]) == 1:
            return self._schema(asked["allOf"][0], f"{place}/allOf/0")
        if "$ref" in asked:
            _check_keys(asked, {"$ref"}, place)
            return {"$ref": self._reference(asked["$ref"], place)}
        if "anyOf" in asked:
            _check_keys(asked, {"anyOf"}, place)
            return {"anyOf": self._each(asked["anyOf"], f"{place}/anyOf")}
        if "const" in asked or "enum" in asked:
            return _constant(asked, place)
        return self._typed(asked, place)

    def _typed(self, asked: Mapping[str, Any], place: str) -> dict[str, Any]:
        kind = asked.get("type")
        if isinstance(kind, list) and kind:
            _check_keys(asked, {"type"}, place)
            _types(kind, place)
            return {"type": kind}
        if kind is None:
            kind = next((k for k in ("object", "array") if asked.keys() <= _TYPES[k]), None)
        if not isinstance(kind, str) or kind not in _TYPES:
            known = {"type"}.union(*_TYPES.values())
            _check_keys(asked, known, place)
            _refuse(place, "has no type, or an unknown one")
        _check_keys(asked, {"type"} | _TYPES[kind], place)
        if kind == "object":
            return self._object(asked, place)
        if kind == "array":
            return self._array(asked, place)
        if kind == "string":
            return _string(asked, place)
        return {"type": kind}

    def _object(self, asked: Mapping[str, Any], place: str) -> dict[str, Any]:
        properties = asked.get("properties", {})
        required = asked.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            _refuse(place, "has 'properties' or 'required' of the wrong kind")
        if "" in properties or "$ref" in properties:
            _refuse(place, "has a property name that the converter can't use")
        for number, key in enumerate(required):
            if not isinstance(key, str):
                _refuse(f"{place}/required/{number}", "is not the name of a property")
            if key not in properties:
                _refuse(place, f"requires {key!r} and does not describe it")
        if properties:
            # Others are left out: one of them could have the name of a property.
            made = {key: self._schema(value, f"{place}/properties/{key}")
                    for key, value in properties.items()}  # fmt: skip
            return {"type": "object", "properties": made, "required": required}
        others = asked.get("additionalProperties", True)
        if isinstance(others, bool):
            return {"type": "object", "additionalProperties": others}
        return {
            "type": "object",
            "additionalProperties": self._schema(others, f"{place}/additionalProperties"),
        }

    def _array(self, asked: Mapping[str, Any], place: str) -> dict[str, Any]:
        low, high = _bounds(asked, "minItems", "maxItems", place)
        if "prefixItems" in asked:
            items = self._each(asked["prefixItems"], f"{place}/prefixItems")
            if low > len(items) or (high is not None and high < len(items)):
                _refuse(place, f"has {len(items)} 'prefixItems' and asks for another length")
            return {"prefixItems": items}  # just these, whatever 'items' allows after them
        made: dict[str, Any] = {"type": "array", "minItems": low}
        if high is not None:
            made["maxItems"] = high
        return made | {"items": self._schema(asked.get("items", True), f"{place}/items")}

    def _each(self, schemas: Any, place: str) -> list[dict[str, Any]]:
        if not isinstance(schemas, list) or not schemas:
            _refuse(place, "is not a list of schemas")
        return [self._schema(each, f"{place}/{i}") for i, each in enumerate(schemas)]

    def _reference(self, reference: Any, place: str) -> str:
        if not isinstance(reference, str) or not (reference + "/").startswith("#/"):
            _refuse(place, f"refers to {reference!r}, which is not within it")
        if reference not in self._names:
            # The converter takes rules of one name for the same: these have names of their own.
            name = self._names[reference] = _DEFINITION.format(len(self._names))
            self._waiting.append((name, reference, self._find(reference, place)))
        return f"#/$defs/{self._names[reference]}"

    def _find(self, reference: str, place: str) -> Any:
        target = self._whole
        for part in reference.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
                target = target[int(key)]
            elif isinstance(target, dict) and key in target:
                target = target[key]
            else:
                _refuse(place, f"refers to {reference!r}, which is not there")
        return target


def _check_keys(asked: Mapping[str, Any], known: set[str], place: str) -> None:
    for key in asked:
        if key not in known:
            beside = next((k for k in ("$ref", "anyOf", "enum", "const") if k in known), None)
            _refuse(place, f"uses {key!r}" + (f" together with {beside!r}" if beside else ""))


def _constant(asked: Mapping[str, Any], place: str) -> dict[str, Any]:
    _check_keys(asked, {"const", "enum", "type"}, place)
    if "const" in asked and "enum" in asked:
        _refuse(place, "has both 'const' and 'enum'")
    values = [asked["const"]] if "const" in asked else asked["enum"]
    if not isinstance(values, list) or not values:
        _refuse(place, "has an 'enum' that is not a list of values")
    try:
        json.dumps(values, allow_nan=False)
    except ValueError:
        _refuse(place, "allows a number that is too large for a floating-point number")
    if "type" in asked:
        kinds = _types(asked["type"], place)
        for value in values:
            if not _kinds(value) & kinds:
                _refuse(place, f"allows {json.dumps(value)}, which is not of its type")
    return {"enum": values}


def _types(kinds: Any, place: str) -> set[str]:
    """Return the types that a schema names, one or several."""
    kinds = kinds if isinstance(kinds, list) else [kinds]
    for kind in kinds:
        if not isinstance(kind, str) or kind not in _TYPES:
            _refuse(place, f"has the unknown type {json.dumps(kind)}")
    return set(kinds)


def _kinds(value: Any) -> set[str]:
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    if isinstance(value, float):
        return {"integer", "number"} if value.is_integer() else {"number"}
    kinds = ((str, "string"), (list, "array"), (dict, "object"))
    return {next((name for kind, name in kinds if isinstance(value, kind)), "null")}


def _string(asked: Mapping[str, Any], place: str) -> dict[str, Any]:
    if "pattern" in asked:
        _check_keys(asked, {"type", "pattern"}, place)
        pattern = asked["pattern"]
        if (
            not isinstance(pattern, str)
            or not _PATTERN.fullmatch(pattern)
            or _TWICE_REPEATED.search(pattern)
            or not _is_regular_expression(pattern)
        ):
            _refuse(
                place,
                "has a 'pattern' that is not ^, then characters, [sets] of them, (groups) and"
                " repetitions, then $",
            )
        return {"type": "string", "pattern": pattern}
    if "format" in asked:
        _check_keys(asked, {"type", "format"}, place)
        if asked["format"] not in _FORMATS:
            _refuse(place, f"has the format {asked['format']!r}")
        return {"type": "string", "format": asked["format"]}
    low, high = _bounds(asked, "minLength", "maxLength", place)
    made: dict[str, Any] = {"type": "string"}
    if low or high is not None:
        made["minLength"] = low
    if high is not None:
        made["maxLength"] = high
    return made


def _is_regular_expression(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _bounds(
    asked: Mapping[str, Any], low_key: str, high_key: str, place: str
) -> tuple[int, int | None]:
    for key in (low_key, high_key):
        value = asked.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 2000:
            _refuse(place, f"has a {key!r} that is not a whole number from 0 to 2000")
    low, high = asked.get(low_key, 0), asked.get(high_key)
    if high is not None and high < low:
        _refuse(place, f"has a {high_key!r} below its {low_key!r}")
    return low, high
