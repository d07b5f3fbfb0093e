"""Names in the mathematics: what differs never shares one."""

import ast
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import advcore.networks
from advcore import pipelines, training, workers

ROOT = Path(advcore.networks.__path__[0]).parent
PACKAGES = sorted(
    path.parent
    for room in (ROOT, Path(workers.__path__[0]), Path(pipelines.__path__[0]))
    for path in room.rglob("__init__.py")
)
SHARED = {
    "advcore": {"margins", "robust_accuracy"},
    "workers/datasets": {"load", "pictures", "pixels", "stored"},
    "workers/pool": {"ray_session"},
}
"""Modules that share their names: the first two users import, as the README and examples do."""


def room_of(package: Path) -> str:
    """Return the package's folder as it stands in the repository."""
    return package.relative_to(ROOT.parent).as_posix()


def test_no_two_public_classes_share_a_name() -> None:
    names = Counter(
        node.name
        for path in ROOT.rglob("*.py")
        if path.relative_to(ROOT).parts[0] not in ("workers", "pipelines")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("package", PACKAGES, ids=room_of)
def test_no_module_shares_its_name_with_a_function_or_class_of_its_package(package: Path) -> None:
    modules = list(package.glob("*.py"))
    names = {
        node.name
        for path in modules
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert modules
    assert names & {path.stem for path in modules} <= SHARED.get(room_of(package), set())


def test_terms_may_be_imported_by_the_names_that_they_had() -> None:
    assert training.Adversarial is training.TERMS["adversarial"]
    assert training.Calibrated is training.TERMS["calibrated"]
    with pytest.raises(AttributeError, match="has no attribute 'Opponent'"):
        _ = training.Opponent


@pytest.mark.parametrize("package", [advcore, pipelines], ids=["advcore", "advcore.pipelines"])
def test_a_package_shows_its_public_names_and_has_them(package: ModuleType) -> None:
    assert dir(package) == sorted(package.__all__)
    for name in dir(package):
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        assert package.nothing
