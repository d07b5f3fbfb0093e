"""The temperature of a network's softmax (Guo et al. 2017, On calibration of modern networks)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_labels, first_logits, frozen, full_precision
from advcore.fits.distances import check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.fits.narrowing import interval, narrowed, points_between
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

LOWEST, HIGHEST = 1e-3, 1e3
"""The temperatures between which it is looked for."""
BORDER = "temperature_at_border"
"""The name of the warning that there is no minimum between these."""
POINTS = 65
"""Points of a round, the ends among them: the interval becomes 64 times as narrow."""


@dataclass(frozen=True)
class Temperature:
    """Learn the T > 0 that minimises the mean negative log-likelihood of softmax(z / T).

    It should learn from samples that the network was not trained on, and that nothing else is
    measured on.

    In `u = 1 / T` the mean of `logsumexp(u z) - u z_y` is convex, so its minimum is where its
    derivative, the mean of `sum_k p_k z_k - z_y`, changes its sign. A round takes it at points of
    equal ratio, and the next one lies between the two neighbours with the sign change; five rounds
    give T to a share of 1e-8, computed in float64.

    The end of the range, 1e-3 or 1e3, is T where the derivative keeps its sign: where all samples
    are labelled right, or the network knows less than chance. `found` is 0 then, the report warns
    (`temperature_at_border`), and nothing that is scaled by T means anything.

    Tensors: `temperature` (), `found` (), 1 or 0, and `likelihood` (2,), the mean negative
    log-likelihood of the samples (nats) at T = 1 and at T. History: `width`, the logarithm of the
    ratio of the neighbours, a number a round.

    Attributes:
        rounds: number of rounds, each a forward pass of all samples.
        batch_size: number of samples that go through the network at a time.
    """

    rounds: int = 5
    batch_size: int = 256

    def __post_init__(self) -> None:
        for name in ("rounds", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"temperature": (), "found": (), "likelihood": (2,)}

    def start(self, samples: FitSamples) -> FitState:
        return interval(math.log(LOWEST), math.log(HIGHEST), samples)

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_labels(batch.labels, len(batch.inputs), int(state.tensors["classes"]))
        points = points_between(state, POINTS)  # logarithms of temperatures
        points = torch.cat([points, torch.zeros(1, dtype=torch.float64)])  # T = 1 behind
        sums = torch.zeros(2, len(points), dtype=torch.float64)
        with full_precision(), frozen(classifier):
            for some in chunks(batch, self.batch_size):
                logits = first_logits(classifier, some.inputs).double().cpu()
                sums += _sums(logits, some.labels.cpu(), points)
        return {"slope": sums[0], "likelihood": sums[1]}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        points, slope = points_between(state, POINTS), sums["slope"][:-1]
        # the slope in u falls as T grows: positive at small T, negative at large ones
        positive = int((slope > 0).sum())
        inside = 0 < positive < len(points)
        low = min(max(positive - 1, 0), len(points) - 2)
        pair = points[low : low + 2]
        following = narrowed(state, pair)
        if inside and following.rounds < self.rounds:
            return following
        end = 0 if positive == 0 else len(points) - 1
        chosen = low if inside else end
        tensors = {
            "temperature": (pair.mean() if inside else points[end]).exp(),
            "found": torch.tensor(float(inside), dtype=torch.float64),
            "likelihood": sums["likelihood"][[-1, chosen]] / samples.count,
        }
        return FitState(tensors, following.rounds, True, following.history)

    def warnings(self, tensors: Mapping[str, Tensor]) -> Mapping[str, str]:
        if tensors["found"]:
            return {}
        value = float(tensors["temperature"])
        why = (
            "each sample is labelled right, and more confidence is always likelier: take more "
            "samples, which the network was not trained on"
            if value < 1
            else "the network knows less of these labels than chance: check labels, normalisation "
            "and training"
        )
        return {BORDER: f"temperature {value:g} is an end of its range, no minimum: {why}"}


def _sums(logits: Tensor, labels: Tensor, points: Tensor) -> Tensor:
    """The sums over samples of the derivative in 1 / T and of the likelihood, `(2, points)`."""
    own = logits.gather(1, labels[:, None])
    found = []
    for point in points.tolist():
        log_p = (logits / math.exp(point)).log_softmax(1)
        slope = (log_p.exp() * (logits - own)).sum()
        found.append(torch.stack([slope, -log_p.gather(1, labels[:, None]).sum()]))
    return torch.stack(found, 1)
