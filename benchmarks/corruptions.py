"""Corruptions of 32 x 32 pictures: whole batches here, one picture after the other elsewhere.

The peer is imagecorruptions-imaug, which has ImageNet's constants alone, so these are used in both.
One thread each, in one run; seconds of CPU time, the fastest of `ROUNDS`. Frost is left out on both
sides, for its photographs are not here.
"""

import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from advcore.corruptions import CORRUPTIONS, corrupt
from advcore.randomness import Randomness

PICTURES, PEER_PICTURES, ROUNDS = 84, 4, 3
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")


def milliseconds(work: Callable[[], object], pictures: int) -> float:
    """CPU time of one picture, the fastest round."""
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1000 * min(spent) / pictures


def main() -> None:
    warnings.filterwarnings("ignore")
    import imagecorruptions

    torch.set_num_threads(1)
    pictures = np.random.RandomState(0).randint(0, 256, (PICTURES, 32, 32, 3)).astype(np.uint8)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().float() / 255
    randomness = Randomness(0, torch.arange(PICTURES))

    def ours(name: str) -> None:
        for severity in range(1, 6):
            corrupt(images, name, severity, randomness, "large")

    def theirs(name: str) -> None:
        for severity in range(1, 6):
            for picture in pictures[:PEER_PICTURES]:
                imagecorruptions.corrupt(picture, severity, name)

    names = [name for name in imagecorruptions.get_corruption_names("all") if name in CORRUPTIONS]
    print("| corruption, 5 severities | here, ms a picture | imagecorruptions | ratio |")
    print("|---|---|---|---|")
    times = {}
    for name in names:
        ours(name), theirs(name)  # tables are made, code is compiled
        own, other = (
            milliseconds(lambda name=name: ours(name), PICTURES),
            milliseconds(lambda name=name: theirs(name), PEER_PICTURES),
        )
        times[name] = own, other
        print(f"| {name} | {own:.3f} | {other:.2f} | {other / own:.1f} |", flush=True)
    for title, some in (
        ("the 14 of ImageNet-C", [name for name in names if name not in EXTRA]),
        ("all 18", names),
    ):
        own, other = (sum(times[name][side] for name in some) for side in (0, 1))
        print(f"| {title} | {own:.2f} | {other:.1f} | {other / own:.1f} |")


if __name__ == "__main__":
    main()
