"""The reference of everything that a file can name, made from the dataclasses themselves.

`advcore list NAME` prints one entry; `python -m advcore.pipelines.reference docs/reference` writes
the pages, one a section.
"""

import html
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from advcore.alterations import ALTERATIONS
from advcore.attacks import ATTACKS
from advcore.confidence_attack import ConfidenceAttack
from advcore.derived import DERIVATIONS
from advcore.explain import ATTRIBUTIONS, EXPLANATION_GOALS, ExplanationAttack
from advcore.fits import FITS, Medians
from advcore.laws import LAWS
from advcore.networks import NETWORKS
from advcore.networks.wrappers import WRAPPERS
from advcore.pipelines.claims import CLAIMS, Among, Numbers
from advcore.pipelines.claims.among import Condition
from advcore.pipelines.figures import FIGURES, Caption
from advcore.pipelines.graph.entries import RecipeChange, TrainedModel
from advcore.pipelines.graph.settings import GraphStudy, Study
from advcore.pipelines.settings.runs import RunSettings, TrainSettings
from advcore.pipelines.settings.schedulers import SCHEDULERS, SEARCHERS
from advcore.pipelines.settings.schema import SEAMS
from advcore.pipelines.settings.small import Small, SmallOf
from advcore.pipelines.settings.sweep_runs import SweepSettings
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import Domain
from advcore.pipelines.tables import TABLES
from advcore.pipelines.tables.networks import Feature, Predictor
from advcore.pipelines.training.settings import Training
from advcore.pipelines.yaml_types import describe_type
from advcore.pixel_masks import PIXEL_MASKS
from advcore.probes import PROBES
from advcore.subspaces import FAMILIES
from advcore.tasks import TASKS
from advcore.threats import THREATS
from advcore.training import AUGMENTATIONS, SCHEDULES, TERMS, WATCHES, Recipe, Validation
from advcore.training.change import Change
from advcore.transforms import TRANSFORMS
from advcore.workers.adapters import ADAPTERS, EXPLAINERS
from advcore.workers.datasets import NAMES, DataSpec
from advcore.workers.datasets.derived import DERIVED
from advcore.workers.models import ModelSpec

SECTIONS: dict[str, Mapping[str, Any]] = {
    "attacks": {**ATTACKS, **ADAPTERS},
    "threat models": THREATS,
    "probes": PROBES,
    "fits": FITS,
    "attributions": {**ATTRIBUTIONS, **EXPLAINERS},
    "explanation goals": EXPLANATION_GOALS,
    "laws": LAWS,
    "derived data sets": {**DERIVED, **DERIVATIONS},
    "subspaces": FAMILIES,
    "claims": CLAIMS,
    "tables": TABLES,
    "figures": FIGURES,
    "training terms": TERMS,
    "tasks": TASKS,
    "schedules": SCHEDULES,
    "augmentations": AUGMENTATIONS,
    "watches": WATCHES,
    "transforms": TRANSFORMS,
    "pixel masks": PIXEL_MASKS,
    "alterations": ALTERATIONS,
    "wrappers": WRAPPERS,
    "networks": NETWORKS,
    "schedulers": SCHEDULERS,
    "searchers": SEARCHERS,
    "files": {
        "study": Study,
        "numbers": Numbers,
        "among": Among,
        "condition": Condition,
        "caption": Caption,
        "graph": GraphStudy,
        "small": Small,
        "small of": SmallOf,
        "trained model": TrainedModel,
        "recipe change": RecipeChange,
        "model": ModelSpec,
        "data": DataSpec,
        "run": RunSettings,
        "training": Training,
        "recipe": Recipe,
        "validation": Validation,
        "train run": TrainSettings,
        "sweep": Sweep,
        "sweep run": SweepSettings,
        "domain": Domain,
        "change": Change,
        "medians": Medians,
        "explanation attack": ExplanationAttack,
        "confidence attack": ConfidenceAttack,
        "predictor": Predictor,
        "feature": Feature,
    },
}
"""Everything that has fields, by section and by the name that stands in a file."""


@dataclass(frozen=True)
class Entry:
    """One field: its name, type, default (`required` without one) and what it means.

    The type is in words; its links are Markdown's, to pages beside this one.
    """

    name: str
    type: str
    default: str
    meaning: str


def find_entries(name: str) -> dict[str, Any]:
    """Return what bears the name, by section; empty where nothing does."""
    found = {title: known[name] for title, known in SECTIONS.items() if name in known}
    return {**found, "data sets": NAMES[name]} if name in NAMES else found


def all_names() -> list[str]:
    """Return every name of the reference, once."""
    return list(dict.fromkeys([*(name for known in SECTIONS.values() for name in known), *NAMES]))


def describe(value: Any) -> str:
    """Return what a class or function says of itself, without the list of its fields."""
    if isinstance(value, str):
        return value
    text = inspect.cleandoc(value.__doc__ or "")
    if text.startswith(f"{getattr(value, '__name__', '')}("):  # a dataclass without a docstring
        return ""
    return re.split(r"\n+(?:Attributes|Args):\n", text)[0].strip()


def entries(value: Any) -> list[Entry]:
    """Return the fields of a dataclass, or the parameters of a function."""
    meanings = _meanings(inspect.cleandoc(getattr(value, "__doc__", "") or ""))
    types = get_type_hints(value) if callable(value) else {}
    if is_dataclass(value):
        return [
            Entry(
                own.name,
                describe_type(types[own.name], _link),
                _default(own),
                meanings.get(own.name, ""),
            )
            for own in fields(value)
            if own.init
        ]
    if callable(value):
        return [
            Entry(
                own.name,
                describe_type(types.get(own.name, Any), _link),
                "required" if own.default is own.empty else _shown(own.default),
                meanings.get(own.name, ""),
            )
            for own in inspect.signature(value).parameters.values()
        ]
    return []


def as_text(name: str, section: str, value: Any) -> str:
    """Return one entry for the terminal."""
    lines = [f"{name} ({section})", *describe(value).splitlines(), ""]
    for own in entries(value):
        given = "required" if own.default == "required" else f"default {own.default}"
        lines.append(f"  {own.name}: {_without_markup(own.type)}, {given}")
        lines += [f"      {own.meaning}"] if own.meaning else []
    return "\n".join(lines).rstrip()


def all_texts() -> dict[str, dict[str, tuple[str, str]]]:
    """Return what each name says of itself, and its entry for the terminal, by section."""
    sections = {**SECTIONS, "data sets": NAMES}
    return {
        title: {
            name: (describe(value), as_text(name, title, value)) for name, value in known.items()
        }
        for title, known in sections.items()
    }


def as_page(title: str) -> str:
    """Return the page of a section, in Markdown."""
    parts = [f"# {title.capitalize()}"]
    known = SECTIONS.get(title, {})
    if title == "data sets":
        rows = [f"| `{name}` | {_cell(words)} |" for name, words in NAMES.items()]
        return "\n".join([*parts, "", "| name | what it is |", "|---|---|", *rows, ""])
    for name, value in known.items():
        parts += [f"## {name}", describe(value)]
        if own := entries(value):
            rows = [
                f"| `{row.name}` | {_cell(row.type)} | {_cell(f'`{row.default}`')} "
                f"| {_cell(row.meaning)} |"
                for row in own
            ]
            head = ["| setting | type | default | what it is |", "|---|---|---|---|"]
            parts.append("\n".join([*head, *rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def pages() -> dict[str, str]:
    """Return all pages by file name."""
    titles = [*SECTIONS, "data sets"]
    links = "\n".join(f"- [{title}]({_file(title)})" for title in titles)
    index = (
        "# Reference\n\nEverything that a file can name, with every setting and its default. "
        "`advcore list NAME` prints the same on the terminal. A class of your own is "
        f"`kind: package.module:Class`.\n\n{links}\n"
    )
    return {"index.md": index, **{_file(title): as_page(title) for title in titles}}


def write_pages(folder: Path) -> None:
    """Write all pages into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def _file(title: str) -> str:
    return f"{title.replace(' ', '-')}.md"


def _cell(text: str) -> str:
    """Return a text as a cell of a table: one line, bars escaped.

    Inside code GitHub wants a backslash before a bar, which Python-Markdown shows: an HTML entity
    is a bar in both.
    """

    def with_bars(code: re.Match[str]) -> str:
        bars = html.escape(code[1], quote=False).replace("|", "&#124;")
        return f"<code>{bars}</code>" if "|" in code[1] else code[0]

    return re.sub(r"`([^`]+)`", with_bars, " ".join(text.split())).replace("|", "\\|")


def _meanings(docstring: str) -> dict[str, str]:
    """Return the texts of the section `Attributes` or `Args` by field.

    Names that share a line share its text.
    """
    found: dict[str, str] = {}
    section = re.search(r"(?m)^(?:Attributes|Args):\n((?:(?: +.*)?\n?)*)", docstring)
    if section is None:
        return found
    for entry in re.split(r"(?m)^ {4}(?=\S)", section[1]):
        names, colon, text = entry.partition(": ")
        if colon:
            words = re.sub(r"\bNone\b", "null", " ".join(text.split()))
            found.update({name.strip(): words for name in names.split(",")})
    return found


def _link(given: type) -> str:
    """Return a link to the page of a class, or of the kinds of a Protocol."""
    titles = {id(known): title for title, known in SECTIONS.items()}
    if given in SEAMS:
        title = titles.get(id(SEAMS[given]), "attacks")  # with the adapters, another dict
        return f"[{'watch' if title == 'watches' else title.removesuffix('s')}]({_file(title)})"
    for title, known in SECTIONS.items():
        for name, value in known.items():
            if value is given:
                return f"[{name}]({_file(title)}#{name.replace(' ', '-')})"
    raise LookupError(f"{given.__name__} is in no section of the reference: add it to SECTIONS")


def _without_markup(words: str) -> str:
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", words).replace("`", "")


def _default(own: "Field[Any]") -> str:
    if own.default is not MISSING:
        return _shown(own.default)
    if own.default_factory is not MISSING:
        return _shown(own.default_factory())
    return "required"


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple) and all(isinstance(part, int | float | str) for part in value):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value) if not isinstance(value, str) else value or "''"


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
