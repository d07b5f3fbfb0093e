"""The check of `--set` and of small versions: a mistyped name of an entry makes no new one."""

from collections.abc import Mapping
from typing import Any

from advcore.pipelines.settings.messages import joined, suggestion
from advcore.workers.errors import InputError

_WITHOUT_KIND = {"data_sets": ("name",), "models": ("architecture", "recipe", "of")}
"""Keys that stand for `kind` in the entries of a section: each entry has one."""
_SECTIONS = (
    *("data_sets", "models", "fits", "probes", "tables", "claims", "figures"),
    *("transforms", "wrappers"),
)


def check_set_entries(before: Mapping[str, Any], after: Mapping[str, Any], at: str) -> None:
    """Raise InputError for an entry that is not in the study file and that settings give no kind.

    `before` is the file's document, `after` that with the settings; `at` says where these are.
    """
    for section in _SECTIONS:
        known, entries = before.get(section), after.get(section)
        if not isinstance(known, Mapping) or not isinstance(entries, Mapping):
            continue
        for name in [own for own in entries if own not in known]:
            keys = ("kind", *_WITHOUT_KIND.get(section, ()))
            entry = entries[name]
            if isinstance(entry, Mapping) and not any(key in entry for key in keys):
                close = suggestion(name, known) or ";"
                raise InputError(
                    f"{at} {section}.{name}: {section} has no {name!r}{close} known: "
                    f"{joined(known)}; a new entry needs {' or '.join(keys)}"
                )
