"""Run another library's attack as one of ours.

This is what the adapters share, whatever the library.
"""

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import Adversarial, Status, l0
from advcore.attacks.attack import SearchResult
from advcore.attacks.budget import radii
from advcore.attacks.search import solve
from advcore.classifier import Classifier, PerSample, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, Radius, per_sample
from advcore.randomness import Randomness

SizeName = Literal["l0", "pixels", "l1", "l2", "linf"]
"""A name of what a result is measured in: a norm, or a count of coordinates or pixels."""

Peer = Callable[[nn.Module, Tensor, Criterion, int, float | None], Tensor]
"""The call of a library: network, images, criterion, seed and eps, where it has a budget, to
images."""


def attack_by(
    peer: Peer,
    norm: SizeName,
    eps: Radius | None,
    one_by_one: bool,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness | None,
) -> Adversarial:
    """Attack as `advcore.attacks.attack.solve` does, by a peer's search.

    The attack is a minimal-norm one if `eps` is None.

    The peer sees only the samples that are not adversarial yet, on a copy of their images, through
    a network that counts and holds no parameter of the model. What comes back is judged by us: an
    image with a NaN, outside the box, or outside the eps-ball is not found, and the clean image
    stands in its place; nothing is clipped but what lies outside the box by rounding.

    Noise: the peer's draws come from global generators, seeded from the source of the noise and the
    samples' indices, restored afterwards. So the same samples give the same rows wherever they are
    measured; but in a batch of others a sample may get another row, for peers draw per batch and
    some stop or choose a step for all its samples at once. With `one_by_one` each sample is a batch
    of its own, and its row depends on nothing else. Samples of different eps never share a batch.

    Queries and gradients count the images that went forward through the network, and backward,
    divided equally among the samples of the batch (a peer does not say whose they were): exact with
    `one_by_one`, and for peers that always send the whole batch.

    Raises ValueError for a classifier that holds something per sample, unless `one_by_one`, for a
    peer may change the batch; the library's own errors pass through (some of its attacks know
    float32 only).
    """
    if isinstance(classifier, PerSample) and not one_by_one:
        raise ValueError(
            "this classifier holds something per sample, and another library may change its "
            "batch: set one_by_one"
        )
    size = l0.size_by_name(norm)
    search = partial(_search, peer, size, eps, one_by_one)
    not_found, radius = (
        (Status.FAILED, None) if eps is None else (Status.ROBUST, radii(eps, images))
    )
    return solve(search, size, not_found, classifier, images, criterion, randomness, radius=radius)


def _search(
    peer: Peer,
    size: Norm,
    eps: Radius | None,
    one_by_one: bool,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness,
    radius: Tensor | None = None,
) -> SearchResult:
    """Let the peer search batch by batch; the clean image stands for one that is not allowed."""
    groups = _groups(images, radius, one_by_one)
    parts = []
    for rows in groups:
        own = (
            float(radius[rows[0]])
            if radius is not None and isinstance(eps, Tensor)
            else cast(float | None, eps)
        )
        some = take_rows(classifier, rows), images[rows]
        parts.append(_batch(peer, own, *some, criterion.take(rows), randomness.take(rows)))
    back = torch.cat(list(groups)).argsort()
    tried, queries, gradients = (torch.cat(column)[back] for column in zip(*parts, strict=True))
    allowed = in_box(tried)
    if radius is not None:
        allowed &= norms.inside(size, tried - images, radius)
    kept = torch.where(per_sample(allowed, images), tried.clamp(0, 1), images)
    return SearchResult(kept, queries, gradients)


def _groups(images: Tensor, radius: Tensor | None, one_by_one: bool) -> Sequence[Tensor]:
    """The rows of each batch that a peer sees: it takes one eps for all its samples."""
    index = torch.arange(len(images), device=images.device)
    if one_by_one:
        return index.split(1)
    return (
        [index]
        if radius is None
        else [(radius == value).nonzero()[:, 0] for value in radius.unique()]
    )


def in_box(images: Tensor) -> Tensor:
    """Return which images lie in [0, 1] but for rounding, `(B,)` bool."""
    slack = 4 * torch.finfo(images.dtype).eps
    return ((images >= -slack) & (images <= 1 + slack)).flatten(1).all(1)


class Counted(nn.Module):
    """A classifier as the module that peers want; it counts images.

    It counts those sent forward and backward, and keeps the model out of reach.

    Its one parameter says where and in which precision the images are; the model is no part of it,
    so that a peer that changes modes, devices or gradients of all parts changes nothing.
    """

    def __init__(self, classifier: Classifier, like: Tensor) -> None:
        super().__init__()
        self.place = nn.Parameter(like.new_zeros(()), requires_grad=False)
        self._held: list[Classifier] = [classifier]
        self.forwards = self.backwards = 0
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits = self._held[0](images)
        if logits.requires_grad:
            logits.register_hook(self._went_back)
        return logits

    def release(self) -> None:
        """Let go of the model.

        Torchattacks keeps whatever it was given for the life of the process.
        """
        self._held.clear()

    def _went_back(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def _batch(
    peer: Peer,
    eps: float | None,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness,
) -> tuple[Tensor, Tensor, Tensor]:
    """Images, queries and gradients of one call of the peer."""
    network, seed = Counted(classifier, images), seed_of(randomness)
    try:
        with torch.enable_grad(), seeded(seed, images.device):
            tried = peer(network, images.clone(), criterion, seed, eps)
    finally:
        network.release()
    if not isinstance(tried, Tensor) or tried.shape != images.shape:
        raise ValueError(
            f"the other library must give images {tuple(images.shape)}; got "
            f"{getattr(tried, 'shape', type(tried))}"
        )
    spent = (_divided(total, images) for total in (network.forwards, network.backwards))
    return tried.detach().to(images), *spent  # type: ignore[return-value]


def _divided(total: int, images: Tensor) -> Tensor:
    """A total in whole parts as equal as can be, `(B,)`; they add up to it."""
    index = torch.arange(len(images), device=images.device)
    return total // len(images) + (index < total % len(images)).to(torch.int64)


def seed_of(randomness: Randomness) -> int:
    """Return 32 bits from the seed, the stream and the samples.

    Torch's and NumPy's generators take no more.
    """
    return zlib.crc32(repr((randomness.seed, randomness.key, randomness.indices.tolist())).encode())


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python inside the block.

    On exit all are as they were, also after an error.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.random.default_generator.manual_seed(seed)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
