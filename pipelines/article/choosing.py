"""The studies of a run of the article: which, in which order, of which data, within which time."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advcore.pipelines.article.contents import Section
from advcore.pipelines.settings.messages import suggestion
from advcore.pipelines.settings.small import read_study_document
from advcore.workers.errors import InputError

EXCHANGED = ("mnist5k", "fashion-mnist")
"""Data sets in whose place a study can take another one: pictures of ten classes."""

UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0}
"""Minutes of the units of a budget."""


@dataclass(frozen=True)
class ChosenStudy:
    """A study to run.

    Attributes:
        study: name of the one that comes with advcore.
        settings: overrides of its file, as `--set` has them.
        small: says that its small version is run.
        folder: name of its results.
        minutes: expected time on two idle cores, in minutes; None where nobody knows.
    """

    study: str
    settings: tuple[str, ...]
    small: bool
    folder: str
    minutes: float | None


@dataclass(frozen=True)
class Choice:
    """The studies to run, in the order of the article, and why others are left out, by name."""

    studies: tuple[ChosenStudy, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def minutes(self) -> float:
        """The expected time of all whose time is known, in minutes."""
        return sum(own.minutes or 0.0 for own in self.studies)


def choose_studies(
    sections: Sequence[Section], only: str = "", on: str = "", small: bool = False
) -> Choice:
    """Choose studies of the article, each once, where it is first named.

    `only` are names of entries or of studies, separated by commas; empty: all. `on` is the name of
    a data set that takes the place of digits or clothes; a study that has other data, or both, is
    left out then. `small` takes the small versions.

    Raises InputError for a name that is neither an entry nor a study.
    """
    chosen, left_out = [], {}
    for name in named_studies(sections, only):
        document = read_study_document(name, (), small)
        settings: tuple[str, ...] = ()
        folder = str(document["name"])
        if on:
            exchanged = exchangeable(document)
            if isinstance(exchanged, str):
                left_out[name] = exchanged
                continue
            if any(own != on for own in exchanged.values()):
                folder += on_name(on)
                quoted = json.dumps(on)  # a text to YAML too, whatever is in it
                settings = (f"name={folder}", *(f"{place}={quoted}" for place in exchanged))
        chosen.append(ChosenStudy(name, settings, small, folder, document.get("minutes")))
    return Choice(tuple(chosen), left_out)


def on_name(data: str) -> str:
    """Return the end of a folder's name for results on other data; empty for a study's own.

    A name that has to be shortened or changed for it has a few digits of its hash.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).name)
    digits = "" if plain == data else f"-{hashlib.sha256(data.encode()).hexdigest()[:6]}"
    return f"-on-{plain}{digits}" if data else ""


def named_studies(sections: Sequence[Section], only: str) -> list[str]:
    """Return the studies of the entries that are named, or all, in the order of the article."""
    entries = {own.name: own for section in sections for own in section.entries}
    every = list(dict.fromkeys(study for own in entries.values() for study in own.studies))
    wanted = [name for part in only.split(",") if (name := part.strip())]
    if only and not wanted:
        raise InputError(f"--only: expected names separated by commas, got {only!r}; name some")
    reasons = {name.lower(): own.why_not for name, own in entries.items()}
    known = {name.lower(): tuple(own.studies) for name, own in entries.items()}
    known |= {study: (study,) for study in every}
    for name in wanted:
        if name.lower() not in known:
            near = suggestion(name, (*entries, *every)) or ";"
            raise InputError(
                f"--only: the article has no figure, equation, section or study {name!r}{near} "
                f"it has {', '.join(entries)}, and the studies {', '.join(every)}"
            )
        if not known[name.lower()]:
            raise InputError(f"--only {name}: no study measures it: {reasons[name.lower()]}")
    chosen = {study for name in wanted for study in known[name.lower()]}
    return [study for study in every if study in chosen or not wanted]


def exchangeable(document: Mapping[str, Any]) -> dict[str, str] | str:
    """Return the settings of a study that name its data, with the names; or why it cannot change.

    A study on pictures of one kind can take other pictures. One that has data of another kind
    beside them cannot, nor one with a network that was trained elsewhere, on its own kind.
    """
    places = {"data.name": document["data"]} if "data" in document else {}
    places |= {f"data_sets.{name}.name": own for name, own in document.get("data_sets", {}).items()}
    named = {place: str(own["name"]) for place, own in places.items() if "name" in own}
    kinds = sorted({name for name in named.values() if not name.startswith("$")})
    if not kinds or set(kinds).isdisjoint(EXCHANGED):
        return ": ".join(["it is about data of its own", *([", ".join(kinds)] if kinds else [])])
    if len(kinds) > 1 or len(set(named.values())) > 1:
        return f"it has several kinds of data: {', '.join(kinds)}"
    for name, own in document.get("models", {}).items():
        if ":" in str(own.get("architecture", "")) or own.get("checkpoint") is not None:
            return f"its network {name} was trained elsewhere, on data of its own kind"
    return named


def within(choice: Choice, minutes: float, finished: frozenset[str]) -> Choice:
    """Leave out studies that do not fit into so many minutes, one after the other.

    `finished` are names of results that are there, which take no time. A study whose time nobody
    knows is left out.
    """
    kept, left_out, left = [], dict(choice.left_out), minutes
    for own in choice.studies:
        cost = 0.0 if own.folder in finished else own.minutes
        if cost is None:
            left_out[own.study] = "nobody knows how long it takes"
        elif cost > left:
            left_out[own.study] = f"it takes {cost:g} min, {left:.3g} min of the budget are left"
        else:
            kept.append(own)
            left -= cost
    return Choice(tuple(kept), left_out)


def budget_minutes(text: str) -> float:
    """Return the minutes of a time such as `30m`, `2h` or `1.5h`.

    Raises InputError for what is no time above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip())
    if found is None or not float(found[1]):
        raise InputError(f"--budget: expected a time above 0 such as 30m, 2h or 90s; got {text!r}")
    return float(found[1]) * UNITS[found[2]]
