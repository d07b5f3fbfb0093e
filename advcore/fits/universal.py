"""Universal perturbations: one vector that changes the predictions of most samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import Attack, MinimalNorm
from advcore.classifier import Classifier, check_batch, frozen, full_precision, logits_of
from advcore.criteria import Criterion, Targeted, Untargeted
from advcore.fits.distances import (
    Medians,
    among_all,
    check_attacked,
    check_samples,
    chunks,
    median_of,
    minimal_distances,
)
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.logit_gradients import has_gradient, leaf
from advcore.margins import check_attack
from advcore.norms import L2OrLinf, check_norm
from advcore.objectives import cross_entropy
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Universal:
    """Learn one perturbation that fools at most samples, by projected gradient (article, eq. 17).

    It looks for `v`, `||v||_p <= radius`, with the most `f(x + v) != f(x)`, f the predicted class;
    with a `target` t, the most `f(x + v) = t` among the samples that are not of t. A step goes
    along the steepest direction of `mean min(loss(x + v), bound)`, loss the cross-entropy of f(x),
    or minus that of t, and `v` is projected back onto the ball. Steps shrink linearly to 0. As in
    Shafahi et al. 2020, but for the labels, which are not the true ones, the shrinking steps and
    the norms.

    A round is a step: its samples are those of a part of the shards, in an order drawn from the
    seed and the epoch. A last round over all samples counts what `v` fools. So the vector depends
    on what stands together in a shard, unless `portion` is 1; then it depends on rounding alone.

    Tensors: `vector` (*shape), in pixel units; `mean` (*shape), the mean input, a control of the
    probe `shifted`; `radius` (), the largest norm that it was allowed;
    `fooling` (), the share of the samples that it fools. History: `fooling` and `loss` of each
    epoch, at the vectors that it met, then of the last vector; `median_distance` where it was
    measured.

    Attributes:
        norm: norm of the ball, l2 or linf.
        radius: radius of the ball in pixel units, or `{medians: 2}`: so many times the median
            minimal l2 distance of these samples, measured in the first round.
        target: class that all samples are to be taken for; null for any but the predicted one.
        epochs: number of times that each sample is seen.
        portion: share of the shards that a step sees; one shard at least.
        first_step: length of the first step, as a share of the radius.
        bound: largest loss of a sample that counts, so that fooled samples stop pulling; no loss
            of a target reaches it.
        box: keep `x + v` in [0, 1] as it is shown to the network; v itself is not changed by it.
            Without it `x + v` may be anything: for inputs that know no box.
        attack: attack of the median distance: a minimal-norm l2 attack without a box. The default
            is a short one: on digits and clothes its median lies 0.3 % above that of the tight one.
        batch_size: number of samples that go through the network at a time; memory depends on it.
    """

    norm: L2OrLinf = "l2"
    radius: float | Medians = field(default_factory=lambda: Medians(2.0))
    target: int | None = None
    epochs: int = 10
    portion: float = 0.1
    first_step: float = 1.5
    bound: float = 3.0
    box: bool = True
    attack: Attack = field(
        default_factory=lambda: MinimalNorm(norm="l2", box=False, descent=5, refinement=3)
    )
    batch_size: int = 32

    def __post_init__(self) -> None:
        check_norm(self.norm, L2OrLinf)
        check_attack(self.attack)
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        lengths = {"first_step": self.first_step, "bound": self.bound}
        if not isinstance(self.radius, Medians):
            lengths["radius"] = self.radius
        for name, value in lengths.items():
            if not 0 < value < torch.inf:
                raise ValueError(f"{name} must be a positive number; got {value}")
        if not 0 < self.portion <= 1:
            raise ValueError(f"portion must lie in (0, 1]; got {self.portion}")
        if self.norm == "linf" and isinstance(self.radius, Medians):
            raise ValueError(
                "the medians of a radius are l2 distances, which say nothing of linf; give a "
                "number, 0.1 say"
            )

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        if isinstance(self.radius, Medians):
            check_attacked(samples)
        if self.target is not None and not 0 <= self.target < samples.classes:
            raise ValueError(
                f"target must be one of the classes 0 to {samples.classes - 1}; got {self.target}"
            )

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"vector": samples.shape, "mean": samples.shape, "radius": (), "fooling": ()}

    def start(self, samples: FitSamples) -> FitState:
        radius = torch.nan if isinstance(self.radius, Medians) else self.radius
        return FitState(
            {
                "vector": torch.zeros(samples.shape),
                "radius": torch.tensor(radius, dtype=torch.float64),
                "seed": torch.tensor(samples.seed),
                "count": torch.tensor(samples.count),
                "epoch": torch.tensor(0),
                **_no_sums(),
            }
        )

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        if _is_unmeasured(state) or self._is_last(state):
            return range(count)
        seed, epoch, seen = (int(state.tensors[name]) for name in ("seed", "epoch", "shards"))
        order = Randomness(seed, torch.arange(count)).stream("shards", epoch).uniform(()).argsort()
        return sorted(order[seen : seen + max(1, round(self.portion * count))].tolist())

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        if _is_unmeasured(state):
            own = minimal_distances(classifier, batch, self.attack, randomness, self.batch_size)
            return {"distances": among_all(own, batch, int(state.tensors["count"]))}
        check_batch(batch.inputs)
        vector = state.tensors["vector"].to(batch.inputs)
        sums: dict[str, Tensor] = {}
        with full_precision(), frozen(classifier):
            for some in chunks(batch, self.batch_size):
                part = self._slope(classifier, some.inputs, vector, not self._is_last(state))
                sums = {name: sums[name] + one for name, one in part.items()} if sums else part
        last = {"inputs": batch.inputs.sum(0)} if self._is_last(state) else {}
        return {**sums, "shards": vector.new_ones(()), **last}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        if _is_unmeasured(state):
            return self._measured(state, sums["distances"])
        tensors, last = dict(state.tensors), self._is_last(state)
        if not last:
            tensors["vector"] = self._moved(state, sums["gradient"], samples.count)
        else:
            tensors["mean"] = (sums["inputs"] / samples.count).float()
        for name in SUMMED:
            tensors[name] = tensors[name] + sums[name].cpu()
        history = state.history
        if tensors["samples"] >= samples.count:
            fooling = tensors["fooled"] / tensors["of"].clamp(min=1)
            history = {
                **history,
                "fooling": (*history.get("fooling", ()), fooling.item()),
                "loss": (*history.get("loss", ()), (tensors["loss"] / samples.count).item()),
            }
            tensors = {**tensors, **_no_sums(), "epoch": tensors["epoch"] + 1, "fooling": fooling}
        return FitState(tensors, state.rounds + 1, last, history)

    def _is_last(self, state: FitState) -> bool:
        return int(state.tensors["epoch"]) == self.epochs

    def _measured(self, state: FitState, distances: Tensor) -> FitState:
        assert isinstance(self.radius, Medians)
        middle = median_of(distances)
        radius = torch.tensor(self.radius.medians * middle, dtype=torch.float64)
        tensors = {**state.tensors, "radius": radius}
        return FitState(tensors, state.rounds + 1, history={"median_distance": (middle,)})

    def _moved(self, state: FitState, gradient: Tensor, count: int) -> Tensor:
        """Return the vector after a step along the steepest direction of the summed gradient."""
        norm, radius = norms.norm_by_name(self.norm), state.tensors["radius"].item()
        done = (int(state.tensors["epoch"]) + state.tensors["samples"].item() / count) / self.epochs
        way = norm.steepest(gradient.cpu().double()[None])
        vector = state.tensors["vector"].double()[None]
        return norm.project(vector + self.first_step * (1 - done) * radius * way, radius)[0].float()

    def _slope(
        self, classifier: Classifier, inputs: Tensor, vector: Tensor, differentiate: bool
    ) -> dict[str, Tensor]:
        """Return sums over some samples: `gradient` in v, `loss`, `fooled`, `of` how many."""
        with torch.no_grad():
            own = logits_of(classifier, inputs).argmax(1)
        criterion: Criterion = Untargeted(own)
        counts = torch.ones_like(own, dtype=torch.bool)
        if self.target is not None:
            criterion, counts = Targeted(torch.full_like(own, self.target)), own != self.target
        with torch.set_grad_enabled(differentiate):
            moving = leaf(vector) if differentiate else vector
            shown = inputs + moving
            logits = logits_of(classifier, shown.clamp(0, 1) if self.box else shown)
            loss = cross_entropy(logits, criterion).clamp(max=self.bound).sum()
            gradient = (
                torch.autograd.grad(loss, moving, materialize_grads=True)[0]
                if differentiate and has_gradient(loss)
                else torch.zeros_like(vector)
            )
        fooled = (criterion.holds(logits.detach()) & counts).sum()
        samples = torch.tensor(len(inputs), device=own.device)
        numbers = {"fooled": fooled, "of": counts.sum(), "samples": samples}
        exact = {name: number.to(vector.dtype) for name, number in numbers.items()}
        return {"gradient": gradient, "loss": loss.detach(), **exact}


SUMMED = ("loss", "fooled", "of", "samples", "shards")
"""Sums over an epoch."""


def _no_sums() -> dict[str, Tensor]:
    return {name: torch.zeros((), dtype=torch.float64) for name in SUMMED}


def _is_unmeasured(state: FitState) -> bool:
    """Return whether the radius is still to be measured."""
    return bool(state.tensors["radius"].isnan())
