"""The settings of a family's members in one line, as a report shows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import yaml

from advcore.derived import Derivation
from advcore.pipelines.graph.layout import DerivedData
from advcore.pipelines.settings import schema
from advcore.workers.datasets.derived import Derived
from advcore.workers.made import Making
from advcore.workers.redaction import plain_without_secrets

CHANGED = "changed by an axis"
"""The words in place of a setting that differs among the members of a family."""
SHOWN_VALUES = 4
"""Number of different values of a setting that are named beside these words."""


def settings_line(members: Iterable[Any], protocol: type) -> str:
    """Return settings in one line of YAML, without those that are null.

    `protocol` is what they are, a `Probe` say. What differs among the members is named as such.
    """
    settings = [_given(plain_without_secrets(schema.unstructure(own, protocol))) for own in members]
    merged = _merged(settings)
    return yaml.safe_dump(merged, sort_keys=False, default_flow_style=True, width=10**6).strip()


def derived_line(members: Sequence[DerivedData]) -> str:
    """Return in one line by which settings data sets come of others."""
    protocol = Derived if members[0].chosen is not None else Derivation
    return settings_line([how_derived(own) for own in members], protocol)


def how_derived(own: DerivedData) -> Derived | Derivation:
    """Return the settings by which a data set comes of others."""
    if own.chosen is not None:
        return own.chosen
    assert own.made is not None
    return cast(Making, own.made.settings).derivation


def _merged(values: Sequence[Any]) -> Any:
    """Return the one value that all members have, or words on how they differ."""
    first = values[0]
    if all(own == first for own in values):
        return first
    if all(isinstance(own, Mapping) and own.get("kind") == first.get("kind") for own in values):
        names = dict.fromkeys(name for own in values for name in own)
        return {name: _merged([own.get(name) for own in values]) for name in names}
    distinct = list(dict.fromkeys(map(str, values)))
    family, *others = dict.fromkeys(text.partition(" ")[0] for text in distinct)
    axes = dict.fromkeys(part.partition("=")[0] for own in distinct for part in own.split(" ")[1:])
    if axes and not others and all("=" in part for own in distinct for part in own.split(" ")[1:]):
        return f"{family} (one for each {' and '.join(axes)})"
    if len(distinct) > SHOWN_VALUES or any(isinstance(own, Mapping | list) for own in values):
        return CHANGED
    return f"{CHANGED} ({' / '.join(distinct)})"


def _given(value: Any) -> Any:
    """Return the settings without those that are null."""
    if isinstance(value, Mapping):
        return {name: _given(part) for name, part in value.items() if part is not None}
    return [_given(part) for part in value] if isinstance(value, list) else value
