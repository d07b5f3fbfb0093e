"""The names of rows in the store: hashes of all that they depend on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from advcore.learnt import Learnt
from advcore.probes import Attributions
from advcore.workers.code import own_code
from advcore.workers.shards import Shard
from advcore.workers.tasks import Other

FORMAT = 6
"""Part of every key: raise it when the same settings begin to give other rows, so that old rows are
not taken for new ones."""


ROWS_CHANGED: dict[type, int] = {Attributions: 1}
"""Kinds whose rows are others than they once were under the same settings, as with a new column,
and how often that came: part of their keys alone, so that the rows of the rest are found again."""


def work_key(
    model_hash: str,
    data_digest: str,
    probe: Mapping[str, Any],
    shard: Shard,
    seed: int,
    dtype: str,
    others: Sequence[Other] = (),
    sources: Mapping[str, str] | None = None,
) -> str:
    """Return the sha256 that names the rows of one shard.

    It covers all that they depend on; of other models, their names and what they hold.

    `probe` holds its settings, fit for JSON: give `defining(probe, settings)`, so that settings of
    memory and speed are left out. Where it names a class or a model of the user's own (a `kind` or
    an `architecture` as `package.module:Name`, at any depth), the code that it reaches is part of
    the key, see `advcore.workers.code.source_hash`; it raises InputError where there is none.
    `sources` are these hashes, where they are known.
    """
    sources = own_code(probe) if sources is None else sources
    beside = [(other.name, other.model_hash) for other in others]
    parts = (
        FORMAT,
        model_hash,
        data_digest,
        probe,
        shard.start,
        shard.stop,
        seed,
        dtype,
        *filter(None, (sources, beside)),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def settings_that_define_rows(value: Any, settings: Any) -> Any:
    """Return the settings that define the rows, without mere costs.

    `settings` is the unstructured mapping of the dataclass `value`.

    A field declared by `field(metadata={"cost": True})` changes memory and speed but not what the
    rows mean (they may differ in the rounding); it is dropped, in `value` and in the dataclasses
    that it holds, in sequences and mappings as well. A reference to a fit is the fit's key, once it
    has one: its name is not what it learnt. A kind in `ROWS_CHANGED` has its number beside them.
    """
    if isinstance(value, Learnt):
        return value.key or value.name
    if is_dataclass(value) and isinstance(settings, Mapping):
        costs = {entry.name for entry in fields(value) if entry.metadata.get("cost", False)}
        defining = {
            name: settings_that_define_rows(getattr(value, name, None), part)
            for name, part in settings.items()
            if name not in costs
        }
        changed = ROWS_CHANGED.get(type(value))
        return defining if changed is None else {**defining, "rows_changed": changed}
    if isinstance(value, Mapping) and isinstance(settings, Mapping):
        return {
            name: settings_that_define_rows(value.get(name), part)
            for name, part in settings.items()
        }
    if (
        isinstance(value, list | tuple)
        and isinstance(settings, list | tuple)
        and len(value) == len(settings)
    ):
        return [
            settings_that_define_rows(member, part)
            for member, part in zip(value, settings, strict=True)
        ]
    return settings
