"""Square (Andriushchenko et al. 2020): random search over square patches; it sees logits only."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, Status, Tries, solve
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Radius, per_sample
from advcore.objectives import logit_margin
from advcore.randomness import Randomness

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""After these shares of the queries the area of the squares halves."""
CHUNK = 64
"""So many queries' random numbers are drawn at once."""


@dataclass(frozen=True)
class Square:
    """Raise the logit margin inside `||r||_p <= eps`, `x + r` in [0, 1], by one random square a query, kept where it
    helps.

    A square covers the share `p` of the pixels, less and less of them later. In linf it sets each channel of the square to
    `x + eps` or `x - eps`; the start is vertical stripes of both. In l2 it moves the mass of one window of `r` into another one,
    in the shape of two opposite bumps, with what the ball has left; the start is a tiling of bumps. Both are clipped to the box.

    Needs no gradient: a check on attacks that follow masked ones. Guarantee: an image that it calls found is adversarial and
    inside the ball; not found proves nothing.

    Attributes:
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of eps takes its place when None.
        norm: the ball.
        queries: images sent forward per sample at most, without the check before and the one after.
        p: the first squares' share of the pixels.
    """

    eps: Radius | None = None
    norm: Literal["l2", "linf"] = "linf"
    queries: int = 5000
    p: float = 0.8

    def __post_init__(self) -> None:
        norms.get(self.norm)
        if self.norm == "l1":
            raise ValueError("square knows the norms l2 and linf; got 'l1'")
        check_eps(self.eps)
        if self.queries < 1:
            raise ValueError(f"queries must be at least 1; got {self.queries}")
        if not 0 < self.p <= 1:
            raise ValueError(f"p, a share of the pixels, must lie in (0, 1]; got {self.p}")

    def __call__(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness | None = None
    ) -> Adversarial:
        radius = radii(self.eps, images)
        return solve(self._search, norms.get(self.norm), Status.ROBUST, classifier, images, criterion, randomness, radius=radius)

    @torch.no_grad()
    def _search(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness, radius: Tensor
    ) -> Tries:
        start, propose = (_stripes, _flip) if self.norm == "linf" else (_tiles, _shift)
        channels, height, width = images.shape[1:]
        result, active = images.clone(), torch.arange(len(images), device=images.device)
        queries = torch.full((len(images),), self.queries, device=images.device)
        center, best = images, images
        highest = torch.full((len(images),), -torch.inf, dtype=images.dtype, device=images.device)
        for i in range(self.queries):
            if i % CHUNK == 0:
                draws = randomness.stream("square", i).uniform((CHUNK, 5 + channels)).to(images.dtype)
            if i == 0:
                tried = start(center, radius, randomness.stream("start"))
            else:
                tried = propose(center, best, radius, self._side(i, height, width), draws[:, i % CHUNK])
            logits = classifier(tried)
            value = logit_margin(logits, criterion)
            wins = ~(value <= highest)  # NaN wins, so that it is handed back, verified and refused
            best, highest = torch.where(per_sample(wins, best), tried, best), torch.where(wins, value, highest)
            broken = criterion.holds(logits)
            if broken.any():
                result[active[broken]], queries[active[broken]] = tried[broken], i + 1
                keep = (~broken).nonzero()[:, 0]
                active, center, best, highest, draws = active[keep], center[keep], best[keep], highest[keep], draws[keep]
                radius = radius[keep]
                if not len(keep):
                    break
                classifier, criterion, randomness = take_rows(classifier, keep), criterion.take(keep), randomness.take(keep)
        result[active] = best
        return Tries(result, queries, torch.zeros_like(queries))

    def _side(self, query: int, height: int, width: int) -> int:
        """The side of the squares of a query, in pixels."""
        share = self.p / 2 ** sum(query > halving * self.queries for halving in HALVINGS)
        return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def _stripes(center: Tensor, radius: Tensor, randomness: Randomness) -> Tensor:
    channels, _, width = center.shape[1:]
    signs = _signs(randomness.uniform((channels, 1, width)).to(center.dtype))
    return (center + per_sample(radius, center) * signs).clamp(0, 1)


def _flip(center: Tensor, best: Tensor, radius: Tensor, side: int, draws: Tensor) -> Tensor:
    """`best` with one square per sample, where each channel lies at `center` plus or minus the radius."""
    channels = center.shape[1]
    mask = _window(center, side, draws[:, 0], draws[:, 1])
    return torch.where(mask, (center + (radius[:, None] * _signs(draws[:, 5 : 5 + channels]))[:, :, None, None]).clamp(0, 1), best)


def _tiles(center: Tensor, radius: Tensor, randomness: Randomness) -> Tensor:
    """Bumps of a random sign side by side, a fifth of the image each, scaled to the radius."""
    channels, height, width = center.shape[1:]
    side = max(min(height, width) // 5, 1)
    rows, columns = torch.arange(height, device=center.device), torch.arange(width, device=center.device)
    pattern = _bump(side, center)[rows % side][:, columns % side]
    signs = _signs(randomness.uniform((channels, -(-height // side), -(-width // side))).to(center.dtype))
    way = pattern * signs[:, :, rows // side][..., columns // side]
    return (center + way * per_sample(radius / norms.L2.size(way), way)).clamp(0, 1)


def _shift(center: Tensor, best: Tensor, radius: Tensor, side: int, draws: Tensor) -> Tensor:
    """`best` with the mass of a second window, and what the ball has left, put into a first one per sample and channel."""
    tiny, channels = torch.finfo(center.dtype).tiny, center.shape[1]
    first = _window(center, side, draws[:, 0], draws[:, 1])
    either = first | _window(center, side, draws[:, 2], draws[:, 3])
    r = best - center
    left = (radius**2 - r.flatten(1).square().sum(1)).clamp(min=0)[:, None, None, None] / channels
    mass = (r * either).square().sum((2, 3), keepdim=True)
    old = r * first
    old = old / torch.linalg.vector_norm(old, dim=(2, 3), keepdim=True).clamp(min=tiny)
    signs = _signs(draws[:, 5 : 5 + channels])[:, :, None, None]
    new = old + signs * _halves(center, side, draws)
    new = new / torch.linalg.vector_norm(new, dim=(2, 3), keepdim=True).clamp(min=tiny) * (left + mass).sqrt()
    way = torch.where(first, new, torch.where(either, 0, r))
    return (center + way * per_sample(radius / norms.L2.size(way).clamp(min=tiny), way)).clamp(0, 1)


def _halves(center: Tensor, side: int, draws: Tensor) -> Tensor:
    """In the first window of each sample two opposite bumps, above each other or side by side, `(B, 1, H, W)`, of norm 1."""
    upper = side // 2
    bumps = torch.cat([_bump(upper, center, side), -_bump(side - upper, center, side)]) if upper else _bump(side, center)
    bumps = bumps / bumps.norm()
    height, width = center.shape[2:]
    top, left = _corner(draws[:, 0], height, side), _corner(draws[:, 1], width, side)
    rows = (torch.arange(height, device=center.device) - top[:, None]).clamp(0, side - 1)[:, None, :, None]
    columns = (torch.arange(width, device=center.device) - left[:, None]).clamp(0, side - 1)[:, None, None, :]
    placed = torch.where((draws[:, 4] < 0.5)[:, None, None, None], bumps[rows, columns], bumps[columns, rows])
    return placed * _window(center, side, draws[:, 0], draws[:, 1])


def _bump(height: int, like: Tensor, width: int | None = None) -> Tensor:
    """A pyramid whose rings have the heights `sum 1 / (k + 1)^2`, steep at its middle, `(height, width)`."""
    width = width or height
    rows, columns = torch.arange(height, device=like.device), torch.arange(width, device=like.device)
    ring = torch.maximum((rows - height // 2).abs()[:, None], (columns - width // 2).abs()[None])
    steps = 1 / torch.arange(1, max(height, width) + 2, device=like.device, dtype=like.dtype).square()
    return steps.flip(0).cumsum(0).flip(0)[ring]


def _window(center: Tensor, side: int, down: Tensor, right: Tensor) -> Tensor:
    """Which pixels lie in a square whose place the numbers `down`, `right` in (0, 1) say, `(B, 1, H, W)` bool."""
    height, width = center.shape[2:]
    rows = torch.arange(height, device=center.device) - _corner(down, height, side)[:, None]
    columns = torch.arange(width, device=center.device) - _corner(right, width, side)[:, None]
    return ((rows >= 0) & (rows < side))[:, None, :, None] & ((columns >= 0) & (columns < side))[:, None, None, :]


def _corner(number: Tensor, extent: int, side: int) -> Tensor:
    return (number * (extent - side + 1)).long().clamp(max=extent - side)


def _signs(number: Tensor) -> Tensor:
    return torch.where(number < 0.5, -1.0, 1.0).to(number.dtype)
