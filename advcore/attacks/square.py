"""Square (Andriushchenko et al. 2020): random search over square patches; it sees logits only."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import solve_in_regions
from advcore.attacks.square_patches import flip, shift, stripes, tiles
from advcore.classifier import Classifier, check_pictures, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.norms import L2OrLinf, Radius
from advcore.objectives import logit_margin
from advcore.randomness import Randomness
from advcore.threats.ball import Ball, Balls

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""After these shares of the queries the area of the squares halves."""
CHUNK = 64
"""Number of queries whose random numbers are drawn at once."""


@dataclass(frozen=True)
class Square:
    """Raise the logit margin inside `||r||_p <= eps`, `x + r` in [0, 1].

    Each query tries one random square, which is kept if it helps.

    A square covers the share `p` of the pixels, less and less of them later. In linf it sets each
    channel of the square to `x + eps` or `x - eps`; the start is vertical stripes of both. In l2 it
    moves the mass of one window of `r` into another one, in the shape of two opposite bumps, with
    what the ball has left; the start is a tiling of bumps. Both are clipped to the box. A square
    that changes no pixel, in linf on grey images one in three, is not sent forward: its answer is
    known.

    In l2 the published windows have odd sides of at least 3 pixels; here they have any side from 1
    on, in both norms.

    Needs no gradient: a check on attacks that follow masked ones. Guarantee: an image that it calls
    found is adversarial and inside the ball; not found proves nothing.

    Attributes:
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        norm: norm of the ball.
        queries: number of squares tried, hence images sent forward per sample at most, without the
            check before and the one after.
        p: share of the pixels that the first squares cover.
    """

    eps: Radius | None = None
    norm: L2OrLinf = "linf"
    queries: int = 5000
    p: float = 0.8

    def __post_init__(self) -> None:
        norms.check_norm(self.norm, L2OrLinf)
        check_eps(self.eps)
        if self.queries < 1:
            raise ValueError(f"queries must be at least 1; got {self.queries}")
        if not 0 < self.p <= 1:
            raise ValueError(f"p, a share of the pixels, must lie in (0, 1]; got {self.p}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_in_regions(
            Balls(self.norm), self.eps, self._search, classifier, images, criterion, randomness
        )

    @torch.no_grad()
    def _search(
        self, classifier: Classifier, ball: Ball, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        images, radius = ball.center, ball.radius
        start, propose = (stripes, flip) if self.norm == "linf" else (tiles, shift)
        channels, height, width = check_pictures(tuple(images.shape[1:]), "the attack square")
        result, active = images.clone(), torch.arange(len(images), device=images.device)
        queries = torch.zeros_like(active)
        center, best = images, images.clone()
        highest = torch.full((len(images),), -torch.inf, dtype=images.dtype, device=images.device)
        for i in range(self.queries):
            if i % CHUNK == 0:
                draws = (
                    randomness.stream("square", i).uniform((CHUNK, 5 + channels)).to(images.dtype)
                )
            if i == 0:
                tried = start(center, radius, randomness.stream("start"))
            else:
                tried = propose(
                    center, best, radius, self._side(i, height, width), draws[:, i % CHUNK]
                )
            asked = (
                (tried != best).flatten(1).any(1).nonzero()[:, 0]
            )  # of the others the answer is known
            if not len(asked):
                continue
            queries[active[asked]] += 1
            rest, own = criterion.take(asked), tried[asked]
            logits = logits_of(take_rows(classifier, asked), own)
            value = logit_margin(logits, rest).to(highest.dtype)
            wins = ~(
                value <= highest[asked]
            )  # NaN wins, so that it is handed back, verified and refused
            best[asked[wins]], highest[asked[wins]] = own[wins], value[wins]
            broken = rest.holds(logits)
            if broken.any():
                result[active[asked[broken]]] = own[broken]
                keep = (
                    torch.ones_like(highest, dtype=torch.bool)
                    .index_fill(0, asked[broken], False)
                    .nonzero()[:, 0]
                )
                active, center, best, highest, draws = (
                    active[keep],
                    center[keep],
                    best[keep],
                    highest[keep],
                    draws[keep],
                )
                radius = radius[keep]
                if not len(keep):
                    break
                classifier, criterion, randomness = (
                    take_rows(classifier, keep),
                    criterion.take(keep),
                    randomness.take(keep),
                )
        result[active] = best
        return SearchResult(result, queries, torch.zeros_like(queries))

    def _side(self, query: int, height: int, width: int) -> int:
        """The side of the squares of a query, in pixels."""
        share = self.p / 2 ** sum(query > halving * self.queries for halving in HALVINGS)
        return min(max(round(math.sqrt(share * height * width)), 1), height, width)
