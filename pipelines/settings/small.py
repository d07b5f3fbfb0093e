"""The small version of a study: fewer seeds and samples, for a first look.

Reading it imports neither torch nor Ray nor MLflow, which take seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from advcore.pipelines.settings.converter import build_value, make_converter
from advcore.pipelines.settings.documents import Scalar, flatten, override, put
from advcore.pipelines.settings.set_entries import check_set_entries
from advcore.pipelines.settings.shipped import read_document
from advcore.workers.errors import InputError

SECTION = "small"
"""The section of a study file that its small version is made by."""

SIZES_OF_CLAIMS = "Sizes that the sentences of claims and figures name are the whole study's."
"""The sentence of a report on what its small version does not put right."""

ELSEWHERE = ("run", "name", "minutes", SECTION)
"""Keys of a study file that are no part of what it measures."""


@dataclass(frozen=True)
class Small:
    """A study's small version, `--small`: the study with a few values in place of its own.

    Its results lie in a folder of their own, of the study's name and `-small`.

    Attributes:
        set: values by the dotted names at which they are put, as in `--set`: `axes.seed: 1`.
        minutes: expected time on two idle cores when nothing is there yet, trainings included,
            in minutes.
    """

    set: dict[str, Any] = field(default_factory=dict)
    minutes: float | None = None


@dataclass(frozen=True)
class SmallOf:
    """The study that a small version is made of. It is filled in by reading one.

    Attributes:
        study: name of the whole study.
        differs: sentences on the settings that are not those of the whole study.
    """

    study: str
    differs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"the small version of {self.study}, with {'; '.join(self.differs) or 'no change'}"


def read_study_document(
    name: str, settings: Sequence[str] = (), small: bool = False
) -> dict[str, Any]:
    """Read the mapping in a study file, or that of its small version.

    `name` is a path, or the name of a study that comes with advcore; `settings` are overrides,
    `dotted.name=value`, put over the small version where it is asked for.

    Raises InputError for a file that has none, and for a mistyped name of an entry.
    """
    whole = read_document(name, "studies")
    base = _small_version(whole, name, settings) if small else whole
    document = override(base, settings)
    check_set_entries(base, document, "--set")
    if not small:
        return document
    of = SmallOf(str(whole.get("name")), tuple(differences(whole, document)))
    return {**document, "small_of": asdict(of)}


def _small_version(whole: Mapping[str, Any], name: str, settings: Sequence[str]) -> dict[str, Any]:
    """Return the mapping of a study with the values of its section `small`."""
    if whole.get(SECTION) is None:
        raise InputError(
            f"{name} has no small version: leave --small away, or give the file a section such as "
            f"'{SECTION}: {{set: {{axes.seed: 1}}}}'"
        )
    for setting in settings:
        if setting.split("=")[0].strip().split(".")[0] == SECTION:
            raise InputError(
                f"--set {setting!r}: the small version is already made when it is set; set the "
                "value itself, such as axes.seed=1"
            )
    own = build_value(make_converter({}), Small, whole[SECTION], f"study.{SECTION}")
    made = put(whole, own.set, f"study.{SECTION}.set")
    check_set_entries(whole, made, f"{SECTION}.set")
    del made[SECTION]
    return {**made, "name": f"{whole.get('name')}-small", "minutes": own.minutes}


def differences(whole: Mapping[str, Any], changed: Mapping[str, Any]) -> list[str]:
    """Return what a changed study measures otherwise, as "axes.seed 1 in place of 3"."""
    before, after = (
        flatten({key: own for key, own in each.items() if key not in ELSEWHERE})
        for each in (whole, changed)
    )
    names = [name for name in {**before, **after} if _at(before, name) != _at(after, name)]
    return [f"{name} {_at(after, name)} in place of {_at(before, name)}" for name in names]


def _at(values: Mapping[str, Scalar], name: str) -> str:
    return str(values[name]) if name in values else "nothing"
