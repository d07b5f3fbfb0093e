"""An attack of your own: a frozen dataclass with `norm`, called with a batch.

In a study, a probe names it, and gives it each eps of its grid:

    probes:
      robustness:
        kind: robustness
        eps: [0.5, 1.0]
        attacks: [{kind: "own_attack:BestOfNoise"}]

Run this file: python examples/own_attack.py
Run such a study: PYTHONPATH=examples advcore run study.yaml
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import Untargeted, networks
from advcore.attacks import PGD, Adversarial, Status
from advcore.classifier import Classifier, frozen
from advcore.criteria import Criterion
from advcore.randomness import Randomness


@dataclass(frozen=True)
class BestOfNoise:
    """The best of some draws of noise on the l2 sphere of radius `eps`, kept in [0, 1].

    Attributes:
        eps: radius, pixels in [0, 1].
        draws: how many are tried.
    """

    eps: float | None = None
    draws: int = 20
    norm: str = "l2"

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        if self.eps is None:
            raise ValueError("eps must be given: the radius of the ball, in pixel units")
        noise = randomness or Randomness(0, torch.arange(len(images)))
        best = images.clone()
        with frozen(classifier), torch.no_grad():
            already = criterion.holds(classifier(images))
            found = already.clone()
            for draw in range(self.draws):
                step = noise.stream("own", draw).normal(images.shape[1:]).to(images)
                length = step.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
                tried = (images + self.eps * step / length).clamp(0, 1)
                right = criterion.holds(classifier(tried)) & ~found
                best[right] = tried[right]
                found |= right
        status = torch.full((len(images),), int(Status.ROBUST), dtype=torch.int8)
        status[found] = int(Status.BROKEN)
        status[already] = int(Status.ALREADY_WRONG)
        distance = (best - images).flatten(1).norm(dim=1).masked_fill(~found, torch.inf)
        queries = torch.full((len(images),), self.draws + 1)
        return Adversarial(best, found, distance, status, queries, torch.zeros_like(queries))


if __name__ == "__main__":
    torch.manual_seed(0)
    classifier = networks.lenet()
    images = torch.rand(16, 1, 28, 28)
    criterion = Untargeted(classifier(images).argmax(1))
    for attack in (BestOfNoise(eps=5.0), PGD(eps=5.0, norm="l2")):
        result = attack(classifier, images, criterion)
        print(f"{type(attack).__name__}: {int(result.found.sum())} of {len(images)} found")
