"""The files of fits in the store: states after rounds, shares of shards, and what was learnt.

Each is a safetensors file under a key: the state of a fit that is not finished lies under the fit's
key, each round in place of the one before; the finished one beside it; a share under its own key.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
from safetensors import SafetensorError
from torch import Tensor

from advcore.fits import FitState, Sums
from advcore.workers.checkpoints import save_tensors
from advcore.workers.errors import InputError
from advcore.workers.scratch import scratch_folder
from advcore.workers.stores.store import Store

FINISHED, ROUND, SHARE = ".fit.safetensors", ".round.safetensors", ".share.safetensors"
"""Endings of the files in the store: a finished fit, its state after the last round, a share."""
_ABOUT = "advcore.fit"


def write_state(
    store: Store, key: str, state: FitState, about: Mapping[str, str] | None = None
) -> None:
    """Put the state of a fit into the store, as a finished one where it is done.

    `about` are further words for the file's metadata. The same state and words make the same bytes.
    """
    words = {
        "rounds": state.rounds,
        "done": state.done,
        "history": {name: list(map(float, values)) for name, values in state.history.items()},
    }
    metadata = {**(about or {}), _ABOUT: json.dumps(words, sort_keys=True)}
    _put(store, key, FINISHED if state.done else ROUND, state.tensors, metadata)


def read_state(store: Store, key: str) -> FitState | None:
    """Return the finished fit of `key`, else its state after the last round, if there is either.

    Raises InputError for a file that is damaged.
    """
    finished = read_finished(store, key)
    return finished if finished is not None else read_round(store, key)


def read_finished(store: Store, key: str) -> FitState | None:
    """Return the finished fit of `key`, if there is one. Raises InputError where it is damaged."""
    return _state(_fetch(store, key, FINISHED))


def read_round(store: Store, key: str) -> FitState | None:
    """Return the state of an unfinished fit after its last round, if there is one.

    Raises InputError where it is damaged.
    """
    return _state(_fetch(store, key, ROUND))


def write_share(store: Store, key: str, sums: Sums) -> None:
    """Put the sums of a shard into the store."""
    _put(store, key, SHARE, sums, {})


def read_share(store: Store, key: str) -> Sums | None:
    """Return the sums of a shard, on the CPU, if they are there.

    Raises InputError where the file is damaged.
    """
    found = _fetch(store, key, SHARE)
    return None if found is None else found[0]


def _put(
    store: Store, key: str, ending: str, tensors: Mapping[str, Tensor], words: Mapping[str, str]
) -> None:
    with scratch_folder() as folder:
        file = folder / f"file{ending}"
        save_tensors(tensors, file, words)
        store.put(key, ending, file)


def _fetch(store: Store, key: str, ending: str) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    place = store.place_of(key, ending)
    if "://" not in place:  # a share is megabytes: no copy of a file that can be read where it lies
        return _read(Path(place))
    with scratch_folder() as folder:
        file = folder / f"{key}{ending}"
        return _read(file) if store.fetch(key, ending, file) else None


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Return tensors and metadata of one and the same file, whatever replaces it meanwhile."""
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return tensors, dict(opened.metadata() or {})
    except FileNotFoundError:
        return None
    except SafetensorError as error:
        raise InputError(
            f"the file {file} of a fit is damaged ({error}): delete it and run again"
        ) from error


def _state(found: tuple[dict[str, Tensor], dict[str, str]] | None) -> FitState | None:
    if found is None:
        return None
    tensors, metadata = found
    words = json.loads(metadata[_ABOUT])
    history = {name: tuple(values) for name, values in words["history"].items()}
    # of memory, not of the file's pages: the next round's state takes its place
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    return FitState(tensors, words["rounds"], words["done"], history)
