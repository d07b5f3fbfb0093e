"""The article in its order: figures, equations, footnotes and sections, with the studies of each.

`contents.yaml` beside this file holds it. Reading it imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advcore.pipelines.settings.converter import build_value, make_converter
from advcore.pipelines.settings.documents import load_yaml
from advcore.pipelines.settings.messages import suggestion
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One figure, equation, footnote or section of the article.

    Attributes:
        name: short and unique, as `fig8`, `eq21`, `footnote2`, `III-A.1`.
        title: what it is called, as `Figure 8`.
        says: one sentence on what the article says there.
        studies: shipped studies that measure it, and for each the names of the claims that do; no
            names mean all of its claims.
        why_not: one sentence on what is not measured, and why; null where all of it is.
    """

    name: str
    title: str
    says: str
    studies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    why_not: str | None = None

    def __post_init__(self) -> None:
        if not all(text.strip() for text in (self.name, self.title, self.says)):
            raise ValueError("expected name, title and says to have a text; write one in each")
        if not self.studies and not (self.why_not or "").strip():
            raise ValueError(
                f"expected {self.name} to have studies or a reason; name a study, or say in "
                "why_not what is not measured"
            )


@dataclass(frozen=True)
class Section:
    """Entries that stand under one title, in the order of the article."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Contents:
    """The file as a whole.

    Attributes:
        sections: what the article has, in its order.
        figures: by study, the file of the figure that shows it, below `figures` of its results;
            of studies that are not named the first that they draw themselves, else the first.
    """

    sections: tuple[Section, ...]
    figures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [entry.name for section in self.sections for entry in section.entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected each name once, got {', '.join(twice)} more often; rename")


def read_contents(path: str | None = None) -> Contents:
    """Return the contents of the article, of the file that comes with advcore if `path` is None.

    Raises InputError where the file is invalid, a name stands twice, or a study does not ship.
    """
    at = path or str(shipped_files("article")["contents"])
    contents = build_value(make_converter({}), Contents, load_yaml(at), "contents")
    known = shipped_files("studies")
    named = [(entry.name, entry.studies) for own in contents.sections for entry in own.entries]
    for name, studies in (*named, ("figures", contents.figures)):
        for study in studies:
            if study not in known:
                raise InputError(
                    f"{at}: {name}: expected studies that come with advcore, got "
                    f"{study!r}{suggestion(study, tuple(known))}"
                )
    return contents
