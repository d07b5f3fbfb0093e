"""Small data sets as files."""

import gzip

import numpy as np

from advcore.workers.datasets import DataSpec

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 1, 4, 4)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def archive(path, **content):
    np.savez(path / "data.npz", **({"images": IMAGES, "labels": LABELS} | content))
    return DataSpec(f"npz:{path / 'data.npz'}")


def write_idx(folder, squeeze):
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", 5), ("t10k", 3)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            values = (np.arange(np.prod(shape)) % (10 if len(shape) == 1 else 256)).astype(np.uint8)
            raw = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes() + values.tobytes()
            file = folder / f"{name}-{kind}-ubyte{'.gz' if squeeze else ''}"
            file.write_bytes(gzip.compress(raw) if squeeze else raw)
