"""A user's own code as part of keys.

It is the modules that a class or a factory of `package.module:Name` reaches by import.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from advcore.workers.errors import USERS_ERRORS, InputError

OURS = ("advcore",)
"""Packages whose changes `advcore.workers.keys.FORMAT` tells, not their source: an edit that
changes no row changes no key."""

UNVERSIONED = ("torch", "torchvision", "numpy")
"""Distributions of which no key holds the version: rows outlive their updates, for shipped classes
as for a user's own."""

LIBRARIES = ("timm", "robustbench", "huggingface", "ccexam", "efficientnet")
"""Names before the colon of a library's network, which is no code of a user's own; see
`advcore.workers.adapters.networks`."""


@dataclass
class ImportedModules:
    """The modules that a name reaches by import.

    Attributes:
        files: those of the user's own, by module.
        versions: of installed distributions, by name.
        installed: of each installed top-level package a file that changes with its version.
        unseen: modules that import others by names which they compute, or by their files: what
            these are is not known.
    """

    files: dict[str, Path] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    installed: dict[str, Path] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)

    @property
    def witnesses(self) -> list[Path]:
        """The files that stay as they are as long as the code does."""
        return [*self.files.values(), *self.installed.values()]


def source_hash(name: str) -> str:
    """Return the sha256 of the code that `package.module:attribute` is made of.

    So a change of a user's own code makes new keys.

    It is the source, as it stands on the disk now, of that module, of the one in which the
    attribute is defined, and of each module of the user's own that they import, at any depth, also
    inside functions; of installed packages it is the version. Raises InputError where the module
    cannot be imported or tells no source.
    """
    reached, digest = find_modules(name), hashlib.sha256()
    for module, file in sorted(reached.files.items()):
        digest.update(f"{module} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    for distribution, version in sorted(reached.versions.items()):
        digest.update(f"{distribution}=={version}\n".encode())
    return digest.hexdigest()


def own_names(settings: Any) -> Iterator[str]:
    """Yield each `package.module:Name` in the settings.

    It may be a kind or an architecture.
    """
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            named = name in ("kind", "architecture") and isinstance(value, str) and ":" in value
            if named and value.partition(":")[0] not in LIBRARIES:
                yield value
            yield from own_names(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from own_names(value)


def own_code(settings: Any) -> dict[str, str]:
    """Return the hash of each name of the user's own in the settings.

    It is empty if all names are shipped.
    """
    return {name: source_hash(name) for name in sorted(set(own_names(settings)))}


def unseen_imports(settings: Any) -> dict[str, str]:
    """Return a sentence for each module of the user's own with imports that are not all known.

    The modules are those behind names in the settings.
    """
    modules = {module for name in own_names(settings) for module in find_modules(name).unseen}
    return {
        module: f"{module} imports modules by names that it computes: their code was not "
        "looked at, so that a change in it "
        "measures nothing anew; import them by name, or take another run.store after such a change"
        for module in sorted(modules)
    }


def find_modules(name: str) -> ImportedModules:
    """Return what `package.module:attribute` reaches.

    Raises InputError where its module cannot be imported or tells no source.
    """
    module, _, attribute = name.partition(":")
    try:
        imported = importlib.import_module(module)
    except USERS_ERRORS as error:
        lines = str(error).strip().splitlines()
        told = ": ".join([type(error).__name__, *lines[:1]])
        raise InputError(
            f"cannot import {name!r} ({told}): is its folder on PYTHONPATH?"
        ) from error
    found = ImportedModules()
    if not _has_source(module):
        raise InputError(
            f"{name!r} stands in a module without source, so that no change of it is seen: put "
            "it into a .py file"
        )
    value = getattr(imported, attribute, None)
    classes = value.__mro__ if isinstance(value, type) else (value,)
    _visit(module, found, named=True)
    for definer in dict.fromkeys(getattr(part, "__module__", None) for part in classes):
        if isinstance(definer, str):
            _visit(definer, found)
    return found


def _has_source(module: str) -> bool:
    file = getattr(sys.modules[module], "__file__", None)
    return file is not None and Path(file).is_file()


def _visit(module: str, found: ImportedModules, named: bool = False) -> None:
    """Add a module, the packages around it and all that they import.

    One that was named itself is added wherever it lies.
    """
    todo = [(module, named)]
    while todo:
        name, anyway = todo.pop()
        top = name.partition(".")[0]
        if name in found.files or ((top in OURS or top in found.installed) and not anyway):
            continue
        whole = _file(top)
        if whole is not None and _installed(whole):
            found.installed[top] = whole
            found.versions |= _versions(top)
            if anyway and not _versions(top):
                found.files[name] = _file(name) or whole
            continue
        file = _file(name)
        if file is None:
            continue
        found.files[name] = file
        if top not in OURS and file.suffix == ".py":
            todo += [
                (other, False)
                for other in (name.rpartition(".")[0], *_imports(name, file, found))
                if other
            ]


def _file(module: str) -> Path | None:
    """Return where a module lies; None where there is none of that name, or no file."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except USERS_ERRORS:
            return None
        loaded = spec.origin if spec is not None and spec.has_location else None
    return Path(loaded) if loaded is not None and Path(loaded).is_file() else None


def _imports(module: str, file: Path, found: ImportedModules) -> Iterator[str]:
    """Yield the names of modules that a file may import: of `from a import b` both a and a.b."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (part.name for part in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{part.name}" for part in node.names if part.name != "*")
        elif isinstance(node, ast.Call) and _called(node) in (
            "import_module",
            "__import__",
            "run_module",
        ):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield _absolute(first.value, package)
            else:
                found.unseen.add(module)
        elif isinstance(node, ast.Call) and _called(node) in (
            "spec_from_file_location",
            "run_path",
        ):
            found.unseen.add(module)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:  # beyond the top
        return ""


def _installed(file: Path) -> bool:
    """Return whether a file is of the standard library or of an installed package.

    The version of the package tells what it holds.
    """
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    return file.is_relative_to(sysconfig.get_path("stdlib"))


def _versions(top: str) -> dict[str, str]:
    """Return the versions of the distributions that a top-level package is of."""
    return {
        name: metadata.version(name)
        for name in _distributions().get(top, [])
        if name not in UNVERSIONED
    }


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
