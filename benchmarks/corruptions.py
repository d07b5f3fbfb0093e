"""Corruptions of 32 x 32 pictures: whole batches here, one picture after the other elsewhere.

The peer is imagecorruptions-imaug, which has ImageNet's constants alone, so these are used in both;
it makes three channels of a grey picture, ours has one. One thread each, in one run; milliseconds
of CPU time, the fastest of `ROUNDS`; then both by the clock, and ours with two threads, which are
what a worker on two cores has. Frost is left out on both sides, its photographs are not here.

The allocator has had a large array before, as in a worker that has read its data: until then it
hands memory back to the system after each operator.
"""

import time
import warnings
from collections.abc import Callable

import imagecorruptions
import numpy as np
import torch

from advcore.corruptions import CORRUPTIONS, corrupt
from advcore.randomness import Randomness

PICTURES, PEER_PICTURES, ROUNDS = 84, 4, 5
LARGE = 4 * 2**20
"""Numbers of an array of 16 MiB."""
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")


def milliseconds(work: Callable[[], object], pictures: int) -> np.ndarray:
    """CPU time of one picture and its time by the clock, the fastest round of each."""
    work()  # tables are made, code is compiled
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time(), time.perf_counter()
        work()
        spent.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return 1000 * np.min(spent, 0) / pictures


def ours(name: str, channels: int, threads: int = 1) -> np.ndarray:
    torch.set_num_threads(threads)
    drawn = np.random.RandomState(0).randint(0, 256, (PICTURES, channels, 32, 32))
    images, randomness = (
        torch.from_numpy(drawn).float() / 255,
        Randomness(0, torch.arange(PICTURES)),
    )

    def work() -> None:
        for severity in range(1, 6):
            corrupt(images, name, severity, randomness, "large")

    return milliseconds(work, PICTURES)


def theirs(name: str) -> np.ndarray:
    pictures = np.random.RandomState(0).randint(0, 256, (PEER_PICTURES, 32, 32, 3))

    def work() -> None:
        for severity in range(1, 6):
            for picture in pictures.astype(np.uint8):
                imagecorruptions.corrupt(picture, severity, name)

    return milliseconds(work, PEER_PICTURES)


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.empty(LARGE)
    print("| five severities of | peer, ms | here, colour | ratio | here, grey | ratio |")
    print("|---|---|---|---|---|---|")
    times = {}
    for name in filter(CORRUPTIONS.get, imagecorruptions.get_corruption_names("all")):
        grey = np.full(2, np.nan) if CORRUPTIONS[name].coloured else ours(name, 1)
        times[name] = np.array([theirs(name), ours(name, 3), grey, ours(name, 3, threads=2)])
        show(name, times[name][:3, 0])
    standard = np.sum([own for name, own in times.items() if name not in EXTRA], 0)
    show("the 14 of ImageNet-C", standard[:3, 0])
    show("all", np.sum(list(times.values()), 0)[:3, 0])
    show("the 14 by the clock", standard[:3, 1])
    show("the 14 by the clock, two threads here", np.array([*standard[[0, 3], 1], np.nan]))


def show(name: str, spent: np.ndarray) -> None:
    peer, colour, grey = spent
    print(
        f"| {name} | {peer:.2f} | {colour:.3f} | {peer / colour:.1f} "
        f"| {grey:.3f} | {peer / grey:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
