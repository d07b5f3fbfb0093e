"""The shape of the code: rooms, imports among them, circles, the longest function, and how many
public docstrings name a shape or a unit. It reads the sources and imports nothing of them.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"advcore": "advcore", "workers": "advcore.workers", "pipelines": "advcore.pipelines"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
# `(B, C, H, W)`, `[0, 1]`, and the words for units that the docstrings use.
MEASURE = re.compile(
    r"\([A-Z](, ?\w+)*,?\)|\[0, 1\]|\b(seconds?|bytes|pixels?|units?|degrees|percent|GiB|MiB)\b"
)


def sources() -> dict[str, Path]:
    """Return every module's dotted name with its file."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


def room(module: str) -> str:
    """Return the room of a module: its storey and the folder in it, or the storey alone."""
    path = SOURCES[module]
    folder = path.relative_to(ROOT).parts
    return "/".join(folder[:2]) if len(folder) > 2 else folder[0]


def imported(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """Yield the modules of ours that a file imports, wherever in it they are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in names]
        else:
            continue
        yield from (name for name in names if name in known)


def sibling(module: str) -> str:
    """Return the room of a module, or the file itself where it stands above the rooms."""
    above = SOURCES[module].stem != "__init__" and room(module) in FOLDERS
    return module if above else room(module)


def circle(edges: Counter[tuple[str, str]]) -> list[str]:
    """Return one circle among rooms, or nothing."""
    graph: dict[str, set[str]] = {}
    for first, second in edges:
        graph.setdefault(first, set()).add(second)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def public(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the public classes and functions of a file, and the public methods of such classes."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    method
                    for method in node.body
                    if isinstance(method, Function) and not method.name.startswith("_")
                )


SOURCES = sources()


def main() -> None:
    trees = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}
    files = Counter(room(name) for name in trees)
    edges = Counter(
        (room(name), room(other))
        for name, tree in trees.items()
        for other in set(imported(tree, set(trees)))
        if room(name) != room(other)
    )
    print(f"{len(files)} rooms, {len(trees)} files, {edges.total()} imports among rooms")
    for name, count in sorted(files.items()):
        below = ", ".join(f"{to} {n}" for (of, to), n in sorted(edges.items()) if of == name)
        print(f"  {name:24} {count:3} files; imports {below or 'no other room'}")
    siblings = Counter(
        (sibling(name), sibling(other))
        for name, tree in trees.items()
        for other in imported(tree, set(trees))
        if sibling(name) != sibling(other) and sibling(name) not in FOLDERS
    )
    print(f"a circle among rooms and files above: {' -> '.join(circle(siblings)) or 'none'}")
    lines, place = max(
        (node.end_lineno - node.lineno + 1, f"{name}.{node.name}")
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.end_lineno
    )
    print(f"the longest function: {place}, {lines} lines")
    texts = [ast.get_docstring(node) for tree in trees.values() for node in public(tree)]
    told = [text for text in texts if text]
    measured = sum(bool(MEASURE.search(text)) for text in told)
    print(
        f"public names: {len(texts)}, with a docstring {len(told) / len(texts):.0%}; "
        f"of these docstrings {measured / len(told):.0%} name a shape or a unit"
    )


if __name__ == "__main__":
    main()
