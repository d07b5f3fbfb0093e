"""Corruptions of 32 x 32 pictures: whole batches here, one picture after the other elsewhere.

The peer is imagecorruptions-imaug, which has ImageNet's constants alone, so these are used in both;
it makes three channels of a grey picture, ours has one. One thread each, in one run; milliseconds
of CPU time, the fastest of `ROUNDS`. Frost is left out on both sides, its photographs are not here.
"""

import time
import warnings
from collections.abc import Callable

import imagecorruptions
import numpy as np
import torch

from advcore.corruptions import CORRUPTIONS, corrupt
from advcore.randomness import Randomness

PICTURES, PEER_PICTURES, ROUNDS = 84, 4, 3
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")


def milliseconds(work: Callable[[], object], pictures: int) -> float:
    """CPU time of one picture, the fastest round."""
    work()  # tables are made, code is compiled
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1000 * min(spent) / pictures


def ours(name: str, channels: int) -> float:
    drawn = np.random.RandomState(0).randint(0, 256, (PICTURES, channels, 32, 32))
    images, randomness = (
        torch.from_numpy(drawn).float() / 255,
        Randomness(0, torch.arange(PICTURES)),
    )

    def work() -> None:
        for severity in range(1, 6):
            corrupt(images, name, severity, randomness, "large")

    return milliseconds(work, PICTURES)


def theirs(name: str) -> float:
    pictures = np.random.RandomState(0).randint(0, 256, (PEER_PICTURES, 32, 32, 3))

    def work() -> None:
        for severity in range(1, 6):
            for picture in pictures.astype(np.uint8):
                imagecorruptions.corrupt(picture, severity, name)

    return milliseconds(work, PEER_PICTURES)


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print("| five severities of | peer, ms | here, colour | ratio | here, grey | ratio |")
    print("|---|---|---|---|---|---|")
    times = {}
    for name in filter(CORRUPTIONS.get, imagecorruptions.get_corruption_names("all")):
        grey = float("nan") if CORRUPTIONS[name].coloured else ours(name, 1)
        times[name] = np.array([theirs(name), ours(name, 3), grey])
        show(name, times[name])
    standard = [own for name, own in times.items() if name not in EXTRA]
    show("the 14 of ImageNet-C", np.sum(standard, 0))
    show("all", np.sum(list(times.values()), 0))


def show(name: str, spent: np.ndarray) -> None:
    peer, colour, grey = spent
    print(
        f"| {name} | {peer:.2f} | {colour:.3f} | {peer / colour:.1f} "
        f"| {grey:.3f} | {peer / grey:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
