"""The settings of a family's members in one line, as a report shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from advcore.pipelines.settings import schema
from advcore.workers.redaction import plain_without_secrets


def settings_line(members: Iterable[Any], protocol: type) -> str:
    """Return settings in one line of YAML, without those that are null.

    `protocol` is what they are, a `Probe` say. What differs among the members is named as such.
    """
    first, *others = [
        _given(plain_without_secrets(schema.unstructure(own, protocol))) for own in members
    ]
    for other in others:
        for name, value in other.items():
            if first.get(name) != value:
                first[name] = "changed by an axis"
    return yaml.safe_dump(first, sort_keys=False, default_flow_style=True, width=10**6).strip()


def _given(value: Any) -> Any:
    """Return the settings without those that are null."""
    if isinstance(value, Mapping):
        return {name: _given(part) for name, part in value.items() if part is not None}
    return [_given(part) for part in value] if isinstance(value, list) else value
