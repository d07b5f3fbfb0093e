"""A user's own code in keys: whatever a class or a factory reaches by import changes its hash, and
nothing else does.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from advcore.workers import code
from advcore.workers.code import find_modules, own_code, source_hash

Edit = Callable[[str, str], None]

TREE = {
    "own_pkg/__init__.py": "from .real import make as make\nfrom .probes import Mine as Mine\n",
    "own_pkg/real.py": "import json\nfrom . import layers\ndef make():\n    return layers.WIDTH\n",
    "own_pkg/layers.py": "WIDTH = 3\n",
    "own_pkg/probes.py": "from own_parent import Parent\nclass Mine(Parent): ...\n",
    "own_pkg/other.py": "def unused(): ...\n",
    "own_parent.py": (
        "from own_helper import *\nclass Parent:\n    def late(self):\n        import own_late\n"
    ),
    "own_helper.py": "def help(): return 1\n",
    "own_late.py": "import importlib\nfound = importlib.import_module('own_literal')\n",
    "own_literal.py": "VALUE = 1\n",
}


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """The tree on the path; what writes one of its files."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    for name, text in TREE.items():
        write(name, text)
    importlib.invalidate_caches()
    yield write
    for name in [name for name in sys.modules if name.startswith("own_")]:
        sys.modules.pop(name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("own_pkg:make", "own_pkg/__init__.py"),
        ("own_pkg:make", "own_pkg/real.py"),
        ("own_pkg:make", "own_pkg/layers.py"),
        ("own_pkg.real:make", "own_pkg/layers.py"),
        ("own_pkg:Mine", "own_pkg/probes.py"),
        ("own_pkg:Mine", "own_parent.py"),
        ("own_pkg:Mine", "own_helper.py"),
        ("own_pkg:Mine", "own_late.py"),
        ("own_pkg:Mine", "own_literal.py"),
    ],
)
def test_an_edit_of_what_is_reached_is_seen(edit: Edit, name: str, file: str) -> None:
    before = source_hash(name)
    assert source_hash(name) == before
    edit(file, TREE[file] + "# edited\n")
    assert source_hash(name) != before
    edit(file, TREE[file])
    assert source_hash(name) == before


def test_what_is_not_reached_changes_nothing(edit: Edit) -> None:
    before = source_hash("own_pkg:make")
    edit("own_pkg/other.py", "def unused(): return 2\n")
    assert source_hash("own_pkg:make") == before
    assert not any(
        module.partition(".")[0] in code.OURS for module in find_modules("own_pkg:Mine").files
    )


def test_an_installed_package_counts_by_its_version(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("own_yaml.py", "import yaml, torch, os\n")
    found = find_modules("own_yaml:x")
    assert set(found.files) == {"own_yaml"}
    assert set(found.versions) == {"PyYAML"}
    before = source_hash("own_yaml:x")
    monkeypatch.setattr(code.metadata, "version", lambda name: "0.0")
    assert source_hash("own_yaml:x") != before


def test_imports_by_computed_names_are_told(edit: Edit) -> None:
    edit(
        "own_dynamic.py", "import importlib\ndef make(name): return importlib.import_module(name)\n"
    )
    assert find_modules("own_dynamic:make").unseen == {"own_dynamic"}
    assert find_modules("own_pkg:Mine").unseen == set()


def test_shipped_kinds_have_no_code_in_their_keys() -> None:
    assert own_code({"kind": "pgd", "inner": [{"architecture": "lenet"}]}) == {}


def test_names_anywhere_in_settings_are_found(edit: Edit) -> None:
    settings = {"a": [{"kind": "own_pkg:Mine", "steps": 3}], "b": {"architecture": "own_pkg:make"}}
    assert own_code(settings) == {
        name: source_hash(name) for name in ("own_pkg:Mine", "own_pkg:make")
    }


def test_a_parent_in_another_module_is_part_of_the_class(edit: Edit) -> None:
    edit("own_indirect.py", "import own_registry\nMine = own_registry.CLASSES['mine']\n")
    edit(
        "own_registry.py",
        (
            "import importlib\nCLASSES = {'mine': getattr(importlib.import_module('own_' + "
            "'parent'), 'Parent')}\n"
        ),
    )
    assert {"own_indirect", "own_registry", "own_parent", "own_helper"} <= set(
        find_modules("own_indirect:Mine").files
    )


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module(name)",
        "__import__(name)",
        "runpy.run_module(name)",
        "runpy.run_path(name)",
        "importlib.util.spec_from_file_location('own', name)",
    ],
)
def test_one_sentence_names_the_module_and_what_was_not_looked_at(edit: Edit, line: str) -> None:
    edit("own_dynamic.py", f"def make(name): return {line}\n")
    edit("own_around.py", "import own_dynamic\ndef make(name): return own_dynamic.make(name)\n")
    told = code.unseen_imports(
        {"kind": "own_around:make", "inner": [{"architecture": "own_dynamic:make"}]}
    )
    assert told.keys() == {"own_dynamic"}
    assert told["own_dynamic"].startswith(
        "own_dynamic imports modules by names that it computes: their code was not looked at"
    )
    assert code.unseen_imports({"kind": "own_pkg:Mine"}) == {}
