"""Samples that a derivation made: rows in the store, read by shards in the place of an array."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from advcore.probes.table import Columns
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.reading import File, look
from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.files import atomic_write
from advcore.workers.local_cache import cache_folder, one_at_a_time
from advcore.workers.made import INPUT, LABEL, SAMPLE
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.stores.store import Store, open_store

HELD = 2**27
"""Bytes of shards that a process holds, the last ones used. A data set that is larger is unpacked
once into the machine's cache, where its rows are read one by one, in any order."""
_held: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()


@dataclass(frozen=True, eq=False)
class MadeInputs:
    """Inputs `(N, *shape)`, float32, in the rows of a store.

    Attributes:
        location: place of the store, as every worker sees it.
        keys: key of each shard.
        sample_shape: shape of one input.
        which: shard of each input, `(N,)`.
        rows: row of each input in its shard, `(N,)`.
        in_box: whether all lie in [0, 1].
    """

    location: str
    keys: tuple[str, ...]
    sample_shape: tuple[int, ...]
    which: np.ndarray
    rows: np.ndarray
    in_box: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), *self.sample_shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.keys)) + self.which.nbytes + self.rows.nbytes

    @property
    def meaning(self) -> str:
        return f"made {self.sample_shape}"

    @property
    def content(self) -> np.ndarray:
        """The key of each input's shard, hashed, and its row there: nothing is read for it."""
        names = [hashlib.sha256(key.encode()).digest() for key in self.keys]
        keys = np.frombuffer(b"".join(names), np.uint8).reshape(-1, 32)
        return np.hstack([keys[self.which], self.rows.astype("<i8")[:, None].view(np.uint8)])

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.sample_shape), np.float32)
        which, places = self.which[rows], self.rows[rows]
        for number in np.unique(which):
            own = which == number
            found[own] = self._read(self.keys[number], places[own])
        return found

    def chosen(self, rows: np.ndarray) -> "MadeInputs":
        return replace(self, which=self.which[rows], rows=self.rows[rows])

    def _read(self, key: str, rows: np.ndarray) -> np.ndarray:
        """Return some rows of a shard."""
        if len(self) * self._row_bytes > HELD:
            offsets = (rows * self._row_bytes).tolist()
            records = self._unpacked(key).read_all(offsets, [self._row_bytes] * len(rows))
            values = np.frombuffer(b"".join(records), np.float32)
            return values.reshape(len(rows), *self.sample_shape)
        name = self.location, key
        shard = _held.pop(name) if name in _held else self._shard(key)
        _held[name] = shard
        while sum(one.nbytes for one in _held.values()) > HELD and len(_held) > 1:
            _held.popitem(last=False)
        return shard[rows]

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.sample_shape)) * 4

    def _unpacked(self, key: str) -> File:
        """Return the inputs of a shard as a file of this machine's cache, made once."""
        place = cache_folder("made") / f"{key}.f32"
        try:
            with one_at_a_time(place):
                if not place.is_file():
                    with atomic_write(place) as unfinished:
                        self._shard(key).tofile(unfinished)
        except OSError as error:
            raise InputError(
                f"inputs made before cannot be unpacked into {place.parent} "
                f"({error.strerror or error}): free it, or set XDG_CACHE_HOME"
            ) from error
        return look(str(place), str(place))

    def _shard(self, key: str) -> np.ndarray:
        """Return all inputs of a shard. Raises InputError where they are not what they must be."""
        inputs = _columns(_opened(self.location), key, INPUT)[0]
        needed = int(self.rows[self.which == self.keys.index(key)].max()) + 1
        if inputs.shape[1:] != self.sample_shape or len(inputs) < needed:
            raise InputError(
                f"the rows {key} in {self.location} hold inputs {inputs.shape}, expected at least "
                f"{(needed, *self.sample_shape)}: {_AGAIN}"
            )
        outside = self.in_box and (inputs.min() < 0 or inputs.max() > 1)
        if outside or not np.isfinite(inputs).all():
            raise InputError(
                f"the rows {key} in {self.location} hold inputs that are not finite"
                f"{' and in [0, 1]' if self.in_box else ''}: {_AGAIN}"
            )
        return np.ascontiguousarray(inputs, np.float32)


_AGAIN = "delete that file and run the study again, which makes only these samples anew"


def made_dataset(
    location: str, keys: Sequence[str], source: Dataset, in_box: bool | None = None
) -> Dataset:
    """Return the samples that a derivation made of all of `source`, in its order.

    Only their labels and indices are read, and the first shard. Where rows hold no inputs, as only
    labels were made, those of `source` are taken. Inputs were made behind the source's transform,
    so that none is left.

    Args:
        location: place of the store.
        keys: keys of the shards, in order.
        source: data set of which they were made.
        in_box: whether the inputs lie in [0, 1]: `derivation.stays_in_box(source.in_box)`; None
            takes them as they lie in the source.

    Raises InputError where rows are missing, damaged, or those of other samples.
    """
    store = _opened(location)
    parts = [_columns(store, key, SAMPLE, LABEL) for key in keys]
    counts = [len(own) for own, _ in parts]
    indices, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not np.array_equal(indices, source.indices):
        raise InputError(
            f"the {len(keys)} shards in {location} hold {len(indices)} samples, which are not the "
            f"{len(source)} of the data set that they were made of: run the study again"
        )
    if INPUT not in _read(store, keys[0], (INPUT,)):
        return replace(source, labels=labels)
    (first,) = _columns(store, keys[0], INPUT)
    inputs = MadeInputs(
        location,
        tuple(keys),
        first.shape[1:],
        np.repeat(np.arange(len(keys)), counts),
        np.concatenate([np.arange(count) for count in counts]),
        source.in_box if in_box is None else in_box,
    )
    return replace(source, images=inputs, labels=labels, transform=None)


@lru_cache(maxsize=4)
def _opened(location: str) -> Store:
    return with_store_retries(lambda: open_store(location, create=False, write=False))


def _columns(store: Store, key: str, *names: str) -> list[np.ndarray]:
    """Return some columns of a shard. Raises InputError where they are not there."""
    found = _read(store, key, names)
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"the rows {key} have no {', '.join(missing)}, so they are no samples: {_AGAIN}"
        )
    return [torch.as_tensor(found[name]).numpy() for name in names]


def _read(store: Store, key: str, names: Sequence[str]) -> Columns:
    try:
        return with_store_retries(lambda: store.read(key, names))
    except UnavailableError:
        raise
    except ValueError as error:
        raise InputError(f"samples that were made before cannot be read: {error}") from error
