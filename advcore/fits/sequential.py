"""The first universal perturbations: minimal perturbations added up, sample after sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import DeepFool
from advcore.classifier import Around, Classifier, check_batch, frozen, full_precision, logits_of
from advcore.criteria import Untargeted
from advcore.fits.distances import check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.norms import L2OrLinf, check_norm
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Sequential:
    """Learn a universal perturbation as first published (Moosavi-Dezfooli et al. 2017).

    A pass takes the samples in an order drawn from the seed and the pass. Where `f(x + v) = f(x)`,
    f the predicted class, DeepFool in l2 looks for the shortest r with `f(x + v + r) != f(x)`, and
    v becomes `v + r`, projected onto the ball; where it finds none in its steps, v stays. It ends
    once a pass leaves `fooling` of the samples fooled, or after so many passes. There is no box, as
    published.

    Each sample needs the v that the one before left, so all of them must stand in one shard: the
    fit runs on one worker, a pass a round; `universal` is learnt on many.

    Tensors: `vector` (*shape), in pixel units; `mean` (*shape), the mean input; `radius` ();
    `fooling` (), the share of the samples that it fools. History: `fooling`, after each pass;
    `added`, the number of samples that moved v.

    Attributes:
        radius: radius of the ball, in pixel units.
        norm: norm of the ball, l2 or linf.
        fooling: share of fooled samples at which it ends.
        passes: largest number of passes.
        steps: largest number of DeepFool's linearisations for a sample.
        overshoot: DeepFool's overshoot.
        batch_size: number of samples that go through the network at a time where fooling is
            counted.
    """

    radius: float
    norm: L2OrLinf = "l2"
    fooling: float = 0.8
    passes: int = 10
    steps: int = 10
    overshoot: float = 0.02
    batch_size: int = 256

    def __post_init__(self) -> None:
        check_norm(self.norm, L2OrLinf)
        if not 0 < self.radius < torch.inf:
            raise ValueError(f"radius must be a positive number; got {self.radius}")
        if not 0 < self.fooling <= 1:
            raise ValueError(f"fooling must lie in (0, 1]; got {self.fooling}")
        for name in ("passes", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        self._attack()

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"vector": samples.shape, "mean": samples.shape, "radius": (), "fooling": ()}

    def start(self, samples: FitSamples) -> FitState:
        return FitState(
            {
                "vector": torch.zeros(samples.shape),
                "radius": torch.tensor(self.radius, dtype=torch.float64),
                "count": torch.tensor(samples.count),
            }
        )

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        if count > 1:
            raise ValueError(
                f"sequential needs all samples in one shard, each of which waits for the one "
                f"before; got {count} shards: say shard_size: {int(state.tensors['count'])}, or "
                "take kind: universal"
            )
        return [0]

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        vector = state.tensors["vector"].to(batch.inputs)
        added = 0
        with full_precision(), frozen(classifier):
            own = self._classes(classifier, batch, torch.zeros_like(vector))
            order = randomness.stream("pass", state.rounds).uniform(()).argsort()
            for place in order.tolist():
                moved = self._moved(classifier, batch.inputs[place] + vector, own[place], vector)
                added += moved is not None
                vector = vector if moved is None else moved
            fooled = (self._classes(classifier, batch, vector) != own).sum()
        counts = {"fooled": fooled, "added": torch.tensor(added)}
        numbers = {name: one.to(vector.dtype) for name, one in counts.items()}
        return {"vector": vector, "inputs": batch.inputs.sum(0), **numbers}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        rate, passes = sums["fooled"].item() / samples.count, state.rounds + 1
        numbers = {"fooling": rate, "added": sums["added"].item()}
        tensors = {
            **state.tensors,
            "vector": sums["vector"].cpu().float(),
            "mean": (sums["inputs"] / samples.count).float(),
            "fooling": torch.tensor(rate, dtype=torch.float64),
        }
        history = {name: (*state.history.get(name, ()), one) for name, one in numbers.items()}
        return FitState(tensors, passes, rate >= self.fooling or passes >= self.passes, history)

    def _attack(self) -> DeepFool:
        return DeepFool(norm="l2", steps=self.steps, overshoot=self.overshoot, box=False)

    def _classes(self, classifier: Classifier, batch: Batch, vector: Tensor) -> Tensor:
        """Return the predicted classes `(B,)` of the samples moved by a vector."""
        with torch.no_grad():
            parts = [
                logits_of(classifier, some.inputs + vector).argmax(1)
                for some in chunks(batch, self.batch_size)
            ]
        return torch.cat(parts)

    def _moved(
        self, classifier: Classifier, image: Tensor, own: Tensor, vector: Tensor
    ) -> Tensor | None:
        """Return the vector after one sample; None where it is fooled, or cannot be."""
        image, label = image[None], own[None]
        with torch.no_grad():
            if logits_of(classifier, image).argmax(1) != label:
                return None
        nothing = torch.zeros_like(image)
        result = self._attack()(Around(classifier, image), nothing, Untargeted(label))
        if not result.found:
            return None
        norm = norms.norm_by_name(self.norm)
        return norm.project(vector[None] + result.images, self.radius)[0]
