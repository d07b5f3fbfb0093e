"""Results of the mathematics say the shape of each of their tensors, or its unit."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import advcore.networks
from benchmarks.structure import MEASURE, public

ROOT = Path(advcore.networks.__path__[0]).parent
TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] not in ("workers", "pipelines")
}

TENSORS = {"Tensor", "Tensor | None"}


def tensors(node: ast.ClassDef) -> list[str]:
    """The fields of a class if all of them are tensors, or None, else none."""
    fields = [own for own in node.body if isinstance(own, ast.AnnAssign)]
    kinds = {ast.unparse(own.annotation) for own in fields}
    return [ast.unparse(own.target) for own in fields] if "Tensor" in kinds <= TENSORS else []


def records() -> Iterator[ast.ClassDef]:
    """All public dataclasses that hold tensors and nothing else."""
    for tree in TREES.values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name[0] != "_" and is_record(node):
                yield node


def is_record(node: ast.ClassDef) -> bool:
    return "dataclass" in "".join(map(ast.unparse, node.decorator_list)) and bool(tensors(node))


@pytest.mark.parametrize("record", records(), ids=lambda node: node.name)
def test_a_result_says_the_shape_of_each_tensor_or_of_all(record: ast.ClassDef) -> None:
    text = ast.get_docstring(record) or ""
    assert MEASURE.search(text) or re.search(r"\(\w+(, \*?\w+)+\)", text), text
    assert [name for name in tensors(record) if f"`{name}`" not in text] == []


def test_the_results_that_everyone_handles_are_among_them() -> None:
    assert {"Adversarial", "Bounds", "SubspaceMargins"} <= {node.name for node in records()}


def test_docstrings_name_shapes_and_units_as_often_as_they_did() -> None:
    texts = [ast.get_docstring(node) or "" for tree in TREES.values() for node in public(tree)]
    told = [text for text in texts if text]
    assert sum(bool(MEASURE.search(text)) for text in told) / len(told) > FLOOR


FLOOR = 0.3
"""Share of the mathematics' public docstrings that name a shape or a unit, which may only rise."""
