"""List what a file can name, with its first sentence; print one of these names in full."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advcore.pipelines.reference import SECTIONS, all_names, as_text, describe, find_entries
from advcore.pipelines.settings.messages import suggestion
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.datasets import NAMES
from advcore.workers.errors import InputError


def show_names() -> None:
    """Print all names, by section."""
    for title, known in _sections().items():
        _show_section(title, known)
    print("A file names a class by `kind`; one of your own is `package.module:Class`.")
    print("`advcore list NAME` shows one of them with its settings and their defaults.")


def show_name(name: str) -> None:
    """Print what a name stands for, with its settings; of a section, such as `probes`, its names.

    Raises InputError where nothing bears the name.
    """
    sections = _sections()
    if (title := name.replace("-", " ").replace("_", " ")) in sections:
        _show_section(title, sections[title])
        return
    found = find_entries(name)
    for own, text in NAMES.items():
        if own.startswith(f"{name}:"):
            found["data sets"] = f"{own}: {text}"
    for folder in ("studies", "recipes", "sweeps"):
        if path := shipped_files(folder).get(name):
            print(path.read_text(encoding="utf-8").rstrip())
            return
    if not found:
        import torchvision  # takes seconds

        if name in torchvision.models.list_models():
            print(f"{name} is torchvision's: `architecture: {name}`, its settings in `arguments`")
            return
        known = [
            *all_names(),
            *sections,
            *(own for folder in ("studies", "recipes") for own in shipped_files(folder)),
        ]
        raise InputError(f"unknown name {name!r}{suggestion(name, known)} (advcore list shows all)")
    print("\n\n".join(as_text(name, title, value) for title, value in found.items()))


def _sections() -> dict[str, Mapping[str, Any]]:
    """Return the names by section, with what each stands for."""
    shipped: dict[str, Mapping[str, Any]] = {
        folder: {name: _comment(path) for name, path in shipped_files(folder).items()}
        for folder in ("studies", "recipes", "sweeps")
    }
    others = {title: known for title, known in SECTIONS.items() if title != "files"}
    return {**shipped, **others, "data sets": NAMES}


def _show_section(title: str, known: Mapping[str, Any]) -> None:
    print(f"{title}:")
    for name, value in known.items():
        print(f"  {name:20} {_sentence(describe(value))}")


def _comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _sentence(text: str) -> str:
    """Return the first sentence of a text, on one line."""
    line = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<!Fig)(?<! al)\. ", line)[0].rstrip(".")
