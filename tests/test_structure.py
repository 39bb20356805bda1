"""The shape of the package: who imports whom, and how large its parts are."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

import distilgpt2_cli
from distilgpt2_cli import engine
from distilgpt2_cli.importing.checkpoint import CARD

PACKAGE = distilgpt2_cli.__name__
FOLDER = Path(distilgpt2_cli.__file__).parent
ENGINE = f"{PACKAGE}.engine"

MAX_LINES = 400
MAX_PARAMETERS = 10


@cache
def modules() -> Mapping[str, Path]:
    """Return the file of each module of the package, by its full name."""
    found = {}
    for path in FOLDER.rglob("*.py"):
        parts = [PACKAGE, *path.relative_to(FOLDER).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """Yield the full name of all that a module imports anywhere, also within functions."""
    inside = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            path = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{path}.{alias.name}" for alias in node.names)


def defining_module(name: str) -> str | None:
    """Return the module of the package that has what a full name stands for.

    A public name of the engine, which imports it when it is asked for, is its module's own.
    """
    if name in modules():
        return name
    parent, _, last = name.rpartition(".")
    if parent == ENGINE and last in engine.__all__:
        return resolve_name(engine._MODULES[last], ENGINE)
    return parent if parent in modules() else None


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """Return the modules of the package that each of its modules imports."""
    found = {}
    for module, path in modules().items():
        tree = tree_of(path)
        names = imports_of(tree, module, is_package=path.name == "__init__.py")
        found[module] = frozenset(filter(None, map(defining_module, names))) - {module}
    # Names under TYPE_CHECKING are for type checkers: the engine imports them when asked for.
    return found | {ENGINE: frozenset()}


def circles(graph: Mapping[str, frozenset[str]]) -> list[set[str]]:
    """Return the groups of modules of which each imports each, by whatever way."""
    reached = {module: _reachable(graph, module) for module in graph}
    return [
        group
        for module in graph
        if len(group := {each for each in reached[module] if module in reached[each]}) > 1
        and module == min(group)
    ]


def _reachable(graph: Mapping[str, frozenset[str]], start: str) -> set[str]:
    found, waiting = set[str](), [start]
    while waiting:
        for module in graph.get(waiting.pop(), ()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return found


def test_no_modules_import_each_other() -> None:
    assert circles(imports()) == []


def test_circles_are_found() -> None:
    graph = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a"), "d": frozenset("a")}
    assert circles(graph) == [{"a", "b", "c"}]
    source = "from . import x\ndef f():\n    from ..b import y\n    import os.path\n"
    assert list(imports_of(ast.parse(source), "p.a.m", is_package=False)) == [
        "p.a.x",
        "p.b.y",
        "os.path",
    ]


def test_the_engine_does_not_import_its_own_front() -> None:
    """Within the engine, a name comes from the module that defines it."""
    for module, path in modules().items():
        if module.startswith(f"{ENGINE}."):
            tree = tree_of(path)
            names = imports_of(tree, module, is_package=path.name == "__init__.py")
            public = [name for name in names if name.rpartition(".")[0] == ENGINE]
            assert all(name in modules() for name in public), (module, public)


def test_the_engine_knows_nothing_of_what_uses_it() -> None:
    allowed = (ENGINE, f"{PACKAGE}.errors", f"{PACKAGE}.units")
    for module, imported in imports().items():
        if module.startswith(ENGINE):
            assert all(each.startswith(allowed) for each in imported), module
            assert "environ" not in modules()[module].read_text(), module


def test_plugins_are_for_other_programs() -> None:
    """distil does not import them, and they know nothing of its command line."""
    plugins = f"{PACKAGE}.plugins"
    for module, imported in imports().items():
        if module.startswith(plugins):
            assert not any(each.startswith(f"{PACKAGE}.cli") for each in imported), module
        else:
            assert not any(each.startswith(plugins) for each in imported), module


def test_only_the_engine_imports_llama_cpp() -> None:
    """Neither with a statement nor by its name, as with import_module."""
    users = set()
    for module, path in modules().items():
        tree = tree_of(path)
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        arguments = (each for call in calls for each in call.args if isinstance(each, ast.Constant))
        names = [*imports_of(tree, module, is_package=False), *(each.value for each in arguments)]
        if any(str(name).split(".")[0] == "llama_cpp" for name in names):
            users.add(module)
    assert [user for user in users if not user.startswith(ENGINE)] == []


@pytest.mark.parametrize("module", sorted(modules()))
def test_sizes(module: str) -> None:
    path = modules()[module]
    assert path.read_text().count("\n") <= MAX_LINES
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = len(_parameters(node.args))
            assert count <= MAX_PARAMETERS, (node.name, count)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    each = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument for argument in each if argument.arg not in ("self", "cls")]


def test_no_message_names_a_file_that_only_a_clone_has() -> None:
    """Those who installed distil have no docs folder; docstrings and comments may name it."""
    found = []
    for path in FOLDER.rglob("*.py"):
        tree = tree_of(path)
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        found += [
            f"{path.name}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if re.search(r"(?<!/)\b(docs|tests|tools)/|README|CONTRIBUTING", node.value)
            if id(node) not in docstrings
            if node.value != CARD  # the model card in a user's folder
        ]
    assert found == []
