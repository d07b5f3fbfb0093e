"""State dicts as people have them.

Which part of a checkpoint holds the weights, and which of its names are a network's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from advcore.workers.errors import InputError

PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""Names under which training scripts put the weights; the first that is there is taken, and
elsewhere the only mapping of tensors."""

COMPILED = "_orig_mod."
"""Prefix that `torch.compile` puts before the names of what it wraps."""

NORMALISERS = ("normalizer", "normalize", "normalization", "norm_layer")
"""The modules before a network in which checkpoints of robust networks keep mean and std, as
`new_mean` or `mean`."""

COPIES = ("attacker",)
"""Modules beside a network that hold it once more (the package robustness)."""

_SHOWN_KEYS = 3
"""Number of keys of a kind that a message names before it counts."""


def find_state_dict(path: object, content: Any) -> dict[str, Tensor]:
    """The mapping of names to tensors in a checkpoint's content.

    Raises InputError where there is none, or more than one.
    """
    found = {name: dict(part) for name, part in _mappings(content) if _is_state_dict(part)}
    known = [place for place in ("", *PLACES) if place in found]
    if known:
        return found[known[0]]
    if len(found) == 1:
        return found.popitem()[1]
    got = f"{', '.join(found)}, each of them one" if found else _kind(content)
    raise InputError(
        f"checkpoint {path} must hold a state dict (names to tensors), plain or under "
        f"{', '.join(PLACES[:-1])} or another name; got {got}: save model.state_dict() alone"
    )


def _mappings(content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The content itself, under the name "", and the mappings in it by their names."""
    if isinstance(content, Mapping):
        yield "", content
        for name, part in content.items():
            if isinstance(part, Mapping):
                yield str(name), part


def _is_state_dict(part: Mapping[str, Any]) -> bool:
    return bool(part) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in part.items()
    )


def fit_names(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights by the names that a network expects, and a normaliser that stood before it.

    What wrappers put before all names (`module.`, `model.`, `backbone.`, `_orig_mod.`) is taken
    off, as far as the network does not have it too; so is what stands before those of a network
    beside its normaliser. Where names do not fit that way, they come as they are without what is
    before all of them: see `misfits`.
    """
    plain = {name.replace(COMPILED, ""): name for name in expected}
    names = {name.replace(COMPILED, ""): value for name, value in weights.items()}
    normaliser: dict[str, Tensor] = {}
    while not _fits(names, plain) and (prefix := _common_prefix(names)) is not None:
        shorter = {name.removeprefix(prefix): value for name, value in names.items()}
        if _overlap(shorter, plain) < _overlap(names, plain):
            break
        names = shorter
    if not _fits(names, plain):
        names, normaliser = _without_normaliser(names, plain)
    return {plain.get(name, name): value for name, value in names.items()}, normaliser


def _fits(names: Iterable[str], expected: Mapping[str, object]) -> bool:
    return set(names) - _counters(names) == set(expected) - _counters(expected)


def _counters(names: Iterable[str]) -> set[str]:
    """Return batch norm's counters of batches.

    Files of early versions lack them, and no network in evaluation reads them.
    """
    return {name for name in names if name.endswith("num_batches_tracked")}


def _overlap(names: Iterable[str], expected: Mapping[str, object]) -> int:
    return sum(name in expected for name in names)


def _common_prefix(names: Iterable[str]) -> str | None:
    """The first word of all names, with its dot; None where they differ, or are nothing else."""
    first = {name.partition(".")[0] for name in names if "." in name}
    return f"{first.pop()}." if len(first) == 1 and all("." in name for name in names) else None


def _without_normaliser(
    names: dict[str, Tensor], expected: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the names of the network under one word, beside a normaliser and copies.

    They are returned as they came if that is not what they are.
    """
    words = {name.partition(".")[0] for name in names}
    beside = words & {*NORMALISERS, *COPIES}
    if len(words - beside) != 1 or not beside:
        return names, {}
    prefix = f"{(words - beside).pop()}."
    network = {
        name.removeprefix(prefix): value for name, value in names.items() if name.startswith(prefix)
    }
    if not _fits(network, expected):
        return names, {}
    return network, {
        name.rpartition(".")[2]: value
        for name, value in names.items()
        if name.partition(".")[0] in NORMALISERS
    }


def check_normaliser(
    normaliser: Mapping[str, Tensor],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    path: object,
) -> None:
    """Raise InputError unless a model normalises as the checkpoint's normaliser does."""
    given = {"mean": mean, "std": std}
    held = {
        name: value.double().flatten()
        for name in given
        for key, value in normaliser.items()
        if key.endswith(name)
    }
    if all(_same(numbers, given[name]) for name, numbers in held.items()):
        return
    wanted = ", ".join(
        f"{name}: [{', '.join(f'{number:.6g}' for number in held[name].tolist())}]" for name in held
    )
    came = ", ".join(
        f"{name}: {None if numbers is None else list(numbers)}" for name, numbers in given.items()
    )
    raise InputError(
        f"checkpoint {path} holds a normaliser, so its model must have {wanted}; got {came}: "
        "give those"
    )


def _same(numbers: Tensor, given: Sequence[float] | None) -> bool:
    return (
        given is not None
        and len(given) == len(numbers)
        and torch.allclose(numbers, torch.tensor(given).double(), atol=1e-3)
    )


def misfits(expected: Mapping[str, Tensor], came: Mapping[str, Tensor]) -> list[str]:
    """Describe what a network misses in weights, and which of them are not its own."""
    counters = _counters(expected)
    shapes = [
        f"{key} is {tuple(came[key].shape)}, not {tuple(value.shape)}"
        for key, value in expected.items()
        if key in came and came[key].shape != value.shape
    ]
    found = {
        "missing": [key for key in expected if key not in came and key not in counters],
        "unexpected": [
            key for key in came if key not in expected and not key.endswith("num_batches_tracked")
        ],
        "wrong shape": shapes,
    }
    problems = [f"{kind}: {_some(names)}" for kind, names in found.items() if names]
    prefix = _prefix_of_most(expected, came)
    if prefix:
        over = [key for key in came if not key.startswith(prefix)]
        problems.append(
            f"with {prefix!r} before its names the network is there, but over are "
            f"{_some(over)}: save it without them"
        )
    return problems


def _prefix_of_most(expected: Mapping[str, Tensor], came: Mapping[str, Tensor]) -> str:
    """Return the prefix of the names of the whole network among others.

    It is empty if there is none.
    """
    first = next(iter(expected), "")
    for prefix in (key.removesuffix(first) for key in came if key.endswith(f".{first}")):
        if all(f"{prefix}{name}" in came for name in expected):
            return prefix
    return ""


def _kind(content: object) -> str:
    if isinstance(content, Mapping):
        return (
            f"a mapping of {_some(str(key) for key in content)}" if content else "an empty mapping"
        )
    return type(content).__name__


def _some(names: Iterable[str]) -> str:
    every = list(names)
    rest = f" and {len(every) - _SHOWN_KEYS} more" if len(every) > _SHOWN_KEYS else ""
    return ", ".join(every[:_SHOWN_KEYS]) + rest
