"""The ascent of Auto-PGD: the loop whose step sizes follow each sample's own progress.

See `APGD` for the method.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.ascent import better, evaluate
from advcore.attacks.attack import SearchResult
from advcore.attacks.budget import check_eps
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Radius, per_sample
from advcore.objectives import Objective
from advcore.randomness import Randomness
from advcore.threats.ball import Ball, free_gradient
from advcore.threats.region import Region

MOMENTUM = 0.75
"""The share of the new step; the rest is the step before it."""


def check_ascent(norm: str, eps: Radius | None, steps: int, rho: float) -> None:
    """Raise ValueError unless these are settings that `climb` can use."""
    norms.norm_by_name(norm)
    check_eps(eps)
    if steps < 1:
        raise ValueError(f"steps must be at least 1; got {steps}")
    if not 0 <= rho <= 1:
        raise ValueError(f"rho, a share of the steps, must lie in [0, 1]; got {rho}")


@dataclass(eq=False)
class State:
    """The state of the ascent for each sample that still stands; every tensor is `(B, ...)`."""

    region: Region
    current: Tensor
    before: Tensor
    gradient: Tensor
    value: Tensor
    best: Tensor
    best_gradient: Tensor
    highest: Tensor
    step: Tensor
    rises: Tensor = field(init=False)
    highest_then: Tensor = field(init=False)
    halved: Tensor = field(init=False)
    share: Tensor = field(init=False)
    changed: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.rises = torch.zeros_like(self.step, dtype=torch.int64)
        self.highest_then = self.highest
        self.halved = torch.ones_like(
            self.rises, dtype=torch.bool
        )  # no checkpoint came before the first
        self.share, self.changed = torch.full_like(self.step, 0.2), torch.ones_like(self.step)

    def keep(self, index: Tensor) -> None:
        for name, value in vars(self).items():
            setattr(self, name, value.take(index) if isinstance(value, Region) else value[index])

    def see(self, images: Tensor, gradient: Tensor, value: Tensor) -> None:
        """Move to new images, with their gradient and value; remember the best.

        A rise is more than four roundings: where an ascent stays in a corner of the ball, or comes
        back to one, the last bit of the value, which depends on the batch, would decide.
        """
        roundings = 4 * torch.finfo(value.dtype).eps
        self.before, self.current, self.gradient = self.current, images, gradient
        self.rises += value > self.value + roundings * self.value.abs()
        wins = better(value, self.highest + roundings * self.highest.abs())
        pixels = per_sample(wins, images)
        self.value, self.highest = value, torch.where(wins, value, self.highest)
        self.best, self.best_gradient = (
            torch.where(pixels, images, self.best),
            torch.where(pixels, gradient, self.best_gradient),
        )

    def return_to_best(self, where: Tensor) -> None:
        pixels = per_sample(where, self.current)
        self.current = torch.where(pixels, self.best, self.current)
        self.gradient = torch.where(pixels, self.best_gradient, self.gradient)


def ascend_all_steps(
    classifier: Classifier,
    criterion: Criterion,
    goal: Criterion,
    objective: Objective,
    region: Region,
    steps: int,
    rho: float,
    randomness: Randomness,
) -> SearchResult:
    """Maximise `objective(logits, goal)` over a region in `steps` steps.

    The ascent starts at a random point of its edge.

    A sample stops at its first iterate for which `criterion` holds, and leaves the batch; others
    end at their best iterate.

    Args:
        goal: what the objective looks at: `criterion` itself, or a target.
    """
    classifier = region.through(classifier)
    current = region.edge(randomness.stream("start"))
    result, active = current.clone(), torch.arange(len(current), device=current.device)
    queries = torch.zeros(len(current), dtype=torch.int64, device=current.device)
    sparse = isinstance(region, Ball) and region.norm is norms.L1
    pace: _Halving | _Sparsening = _Sparsening(steps) if sparse else _Halving(steps, rho)
    state: State | None = None
    for i in range(steps + 1):
        gradient, value, logits = evaluate(classifier, current, goal, objective)
        queries[active] += 1
        if state is None:
            state = State(
                region,
                current,
                current,
                gradient,
                value,
                current,
                gradient,
                value,
                pace.longest * region.radius,
            )
        else:
            state.see(current, gradient, value)
        broken = criterion.holds(logits)
        if broken.any():
            result[active[broken]] = current[broken]
            keep = (~broken).nonzero()[:, 0]
            active = active[keep]
            state.keep(keep)
            if not len(keep):
                break
            classifier, criterion, goal = (
                take_rows(classifier, keep),
                criterion.take(keep),
                goal.take(keep),
            )
        if i < steps:
            pace.check(state, i)
            current = pace.move(state, i == 0)
    result[active] = state.best if state else current
    return SearchResult(result, queries, queries.clone())


class _Halving:
    """Steps in l2 and linf: momentum, and halved steps at checkpoints."""

    longest = 2.0
    """The longest step, in radii."""

    def __init__(self, steps: int, rho: float) -> None:
        self.rho = rho
        self.span, self.shrink, self.least = (
            max(int(share * steps), 1) for share in (0.22, 0.03, 0.06)
        )
        self.next = self.span

    def check(self, state: State, done: int) -> None:
        """Halve the steps of the samples that oscillate or stall, at a checkpoint.

        These samples go back to their best iterate.
        """
        if done < self.next:
            return
        stalls = ~state.halved & (state.highest_then >= state.highest)
        state.halved = stalls | (state.rises <= self.rho * self.span)
        state.step = torch.where(state.halved, state.step / 2, state.step)
        state.highest_then = state.highest
        state.rises = torch.zeros_like(state.rises)
        state.return_to_best(state.halved)
        self.span = max(self.span - self.shrink, self.least)
        self.next = done + self.span

    def move(self, state: State, first: bool) -> Tensor:
        """The next iterates; the first step is a full one."""
        way = state.region.steepest(state.gradient, state.current)
        step = per_sample(state.step, state.current) * way
        reached = state.region.project(state.current + step)
        if first:
            return reached
        mixed = (
            state.current
            + MOMENTUM * (reached - state.current)
            + (1 - MOMENTUM) * (state.current - state.before)
        )
        return state.region.project(mixed)


class _Sparsening:
    """Steps in l1: on ever fewer coordinates."""

    longest = 1.0
    """The longest step, in radii."""

    def __init__(self, steps: int) -> None:
        self.span = max(int(0.04 * steps), 1)

    def check(self, state: State, done: int) -> None:
        """Narrow the steps to what the best iterate has changed, at a checkpoint.

        Then lengthen or shorten them.
        """
        if done == 0 or done % self.span:
            return
        changed = (
            (state.best != state.region.rest()).flatten(1).double().mean(1).to(state.step.dtype)
        )
        sparser = changed < 0.95 * state.changed
        state.step = torch.where(
            sparser, state.region.radius, (state.step / 1.5).maximum(state.region.radius / 10)
        )
        state.share, state.changed = changed / 1.5, changed
        state.return_to_best(sparser)

    def move(self, state: State, first: bool) -> Tensor:
        """The next iterates."""
        pixels = state.current[0].numel()
        boxed = isinstance(state.region, Ball) and state.region.box
        free = free_gradient(state.gradient, state.current) if boxed else state.gradient
        direction = norms.sparse_steepest(free, (state.share * pixels).long().clamp(min=1))
        way = per_sample(state.step, direction) * direction
        return state.region.project(state.current + way)
