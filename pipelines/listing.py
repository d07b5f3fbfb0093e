"""List what a file can name, with its first sentence; print one of these names in full."""

from collections.abc import Mapping
from pathlib import Path

from advcore.pipelines.reference_cache import reference_texts
from advcore.pipelines.reports.sentences import first_sentence_in
from advcore.pipelines.settings.messages import suggestion
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.errors import InputError

SHIPPED = ("studies", "recipes", "sweeps")
"""Folders of files that come with advcore; each is a section."""


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
    for folder in SHIPPED:
        if path := shipped_files(folder).get(name):
            print(path.read_text(encoding="utf-8").rstrip())
            return
    found = _entries(name)
    if found:
        print("\n\n".join(found))
        return
    import torchvision  # takes seconds

    if name in torchvision.models.list_models():
        print(f"{name} is torchvision's: `architecture: {name}`, its settings in `arguments`")
        return
    known = [
        *(own for names in reference_texts().values() for own in names),
        *sections,
        *(own for folder in ("studies", "recipes") for own in shipped_files(folder)),
    ]
    raise InputError(f"unknown name {name!r}{suggestion(name, known)} (advcore list shows all)")


def _entries(name: str) -> list[str]:
    """Return the entries of the reference that bear the name, with or without its path."""
    texts = reference_texts()
    found = [known[name][1] for known in texts.values() if name in known]
    return found + [
        f"{name} (data sets)\n{own}: {words}"
        for own, (words, _) in texts["data sets"].items()
        if own.startswith(f"{name}:")
    ]


def _sections() -> dict[str, Mapping[str, str]]:
    """Return the names by section, with what each says of itself."""
    shipped: dict[str, Mapping[str, str]] = {
        folder: {name: _comment(path) for name, path in shipped_files(folder).items()}
        for folder in SHIPPED
    }
    others = {
        title: {name: words for name, (words, _) in known.items()}
        for title, known in reference_texts().items()
        if title != "files"
    }
    return {**shipped, **others}


def _show_section(title: str, known: Mapping[str, str]) -> None:
    print(f"{title}:")
    for name, words in known.items():
        print(f"  {name:20} {first_sentence_in(words)}")


def _comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
