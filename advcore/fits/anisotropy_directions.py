"""Neural anisotropy directions: along which the input gradients of new networks are large.

Source: Ortiz-Jimenez et al. 2020, Neural anisotropy directions.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from advcore.classifier import Classifier, full_precision
from advcore.fits.block_iteration import leading_pairs
from advcore.fits.distances import among_all, check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.networks import NETWORKS
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.subspaces import check_directions

MOST_NUMBERS = 4096
"""Largest dimension: the second moments of both halves are summed as they are."""

MOST_INPUTS = 128
"""Inputs in one forward pass of the differences: larger passes leave a processor's caches."""


@dataclass(frozen=True)
class AnisotropyDirections:
    """Learn the eigenvectors of `E_theta g g^T`, g the input gradient of a network of one logit.

    The expectation is over first weights theta alone: no sample is learnt from. Sample i of the
    data set stands for the initialisation that (seed, index) draws, so the number of samples is
    that of initialisations, and shards are blocks of them; pixels and labels are not read. All
    gradients are at one input x ~ N(0, I), which the seed draws, in evaluation mode. With a `scale`
    s, entry i of g is the central difference `(f(x + s e_i) - f(x - s e_i)) / 2 s`, of 2 D forward
    passes; without, the derivative of f at x. The two are the same of a linear network alone. The
    authors take s = 100: what a network makes of single bright and dark pixels, far beyond the one
    linear piece that holds x. They take the moment about the mean, here it is about 0: the mean is
    0 wherever the last layer's weights are as likely as their opposites.

    The largest eigenvalues of n draws lie above the truth, also where no direction is better than
    another. So the energy is `held_out`: that which one half of the initialisations (even and odd
    places) has in the directions of the other, mean of both ways; and beside it stands the same of
    as many isotropic vectors of the same lengths, `null`. Of an isotropic law, as that of a single
    linear layer is, `held_out` is flat, 1 / D in each.

    Tensors: `directions` (k, *shape), orthonormal, of all initialisations, the leading one first,
    signed so that the entry of largest magnitude is positive; `energy`, `held_out`, `null_energy`,
    `null_held_out` (D,), shares of the whole, 1 in all dimensions together, in the order of the
    eigenvalues, the first two of the networks.

    Attributes:
        architecture: name of the network, one of advcore's own.
        arguments: arguments of that network.
        directions: number k of directions that are kept; all D when not given.
        batch_size: number of networks that are stacked at a time, for derivatives; memory depends
            on it.
        scale: length s of the central differences, in pixel units; None for derivatives.
    """

    architecture: str
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    directions: int | None = None
    batch_size: int = 25
    scale: float | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.architecture not in NETWORKS:
            raise ValueError(
                f"architecture must be one of {', '.join(NETWORKS)}; got {self.architecture!r}"
            )
        for name in ("directions", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ValueError(
                f"scale must be a positive number, or None for derivatives; got {self.scale}"
            )

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        if samples.count < 2:
            raise ValueError("anisotropy compares two halves: it needs 2 initialisations; got 1")
        if math.prod(samples.shape) > MOST_NUMBERS:
            raise ValueError(
                f"anisotropy sums moments of inputs of at most {MOST_NUMBERS} numbers; these have "
                f"{math.prod(samples.shape)}"
            )
        if self.directions is not None:
            check_directions(samples.shape, self.directions)
        try:
            self.gradients(torch.zeros(samples.shape), (0,))
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"{self.architecture} with arguments {self.arguments} cannot be made for inputs "
                f"{tuple(samples.shape)}, or has no input gradient ({error})"
            ) from error

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        size = math.prod(samples.shape)
        spectra = ("energy", "held_out", "null_energy", "null_held_out")
        kept = self.directions or size
        return {"directions": (kept, *samples.shape), **dict.fromkeys(spectra, (size,))}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({"count": torch.tensor(samples.count)})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        source = Randomness(randomness.seed, torch.zeros(1, dtype=torch.int64)).stream("input")
        x = source.normal(batch.inputs.shape[1:])[0].to(batch.inputs)
        seeds = [(randomness.seed * 1_000_003 + own) % 2**63 for own in batch.indices.tolist()]
        blocks = (seeds[at : at + self.batch_size] for at in range(0, len(seeds), self.batch_size))
        rows = torch.cat([self.gradients(x, own) for own in blocks]).flatten(1)
        odd = (batch.start + torch.arange(len(rows), device=rows.device)) % 2 == 1
        with full_precision():
            moments = [rows[own].mT @ rows[own] for own in (~odd, odd)]
        lengths = among_all(rows.norm(dim=1), batch, int(state.tensors["count"]))
        return {"even": moments[0], "odd": moments[1], "lengths": lengths}

    def gradients(self, x: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return the input gradients `(n, *shape)` at x `(*shape)`, of new networks by seed."""
        networks = [self._network(seed).to(x) for seed in seeds]
        if self.scale is not None:
            return torch.stack([differences(network, x, self.scale) for network in networks])
        parameters, buffers = stack_module_state(networks)
        bare = copy.deepcopy(networks[0]).to("meta")

        def logit(weights: Any, statistics: Any, image: Tensor) -> Tensor:
            return functional_call(bare, (weights, statistics), (image[None],)).sum()

        slopes: Tensor = vmap(grad(logit, argnums=2), (0, 0, None))(parameters, buffers, x)
        return slopes.detach()

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        halves = sums["even"].cpu(), sums["odd"].cpu()
        if not sum(own.trace() for own in halves) > 0:
            raise ValueError("all input gradients are 0, so there is no direction: look at x")
        directions, *own = _spectra(halves)
        null = _spectra(_isotropic(sums["lengths"].cpu(), len(halves[0]), samples.seed))
        tensors = {
            "directions": directions[: self.directions].view(-1, *samples.shape),
            "energy": own[0],
            "held_out": own[1],
            "null_energy": null[1],
            "null_held_out": null[2],
        }
        return FitState(tensors, state.rounds + 1, True)

    def _network(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(seed)
            return NETWORKS[self.architecture](num_classes=1, **self.arguments).eval()


@torch.no_grad()
def differences(network: nn.Module, x: Tensor, scale: float) -> Tensor:
    """Return `(f(x + s e_i) - f(x - s e_i)) / 2 s`, `(*shape)`, over the entries i of x `(*shape)`.

    Args:
        network: f, of one logit.
        x: input `(*shape)`.
        scale: length s > 0.
    """
    units = torch.eye(x.numel(), dtype=x.dtype, device=x.device).view(-1, *x.shape)
    found = [
        network(x + scale * part) - network(x - scale * part) for part in units.split(MOST_INPUTS)
    ]
    return torch.cat(found).view_as(x) / (2 * scale)


def _spectra(halves: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return directions `(D, D)` of both halves, their energies and those held out, `(D,)`."""
    together = leading_pairs(halves[0] + halves[1], len(halves[0]))
    held_out = torch.stack(
        [
            _energies(leading_pairs(one, len(one)).vectors.double(), other)
            for one, other in (halves, halves[::-1])
        ]
    )
    energy = together.values.clamp(min=0) / together.values.sum()
    return together.vectors, energy.float(), held_out.mean(0).float()


def _energies(rows: Tensor, moment: Tensor) -> Tensor:
    """Return the share of a moment `(D, D)` along orthonormal rows `(D, D)`, `(D,)`."""
    return ((rows @ moment) * rows).sum(1) / moment.trace()


def _isotropic(lengths: Tensor, dimension: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the moments of both halves of isotropic vectors of these lengths `(n,)`, float64."""
    noise = Randomness(seed, torch.arange(len(lengths))).stream("isotropic").normal((dimension,))
    rows = lengths.double()[:, None] * nn.functional.normalize(noise).double()
    return rows[0::2].mT @ rows[0::2], rows[1::2].mT @ rows[1::2]
