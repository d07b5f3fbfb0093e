"""Vectors that are added to every sample: a learnt one, and controls of its size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore.classifier import Classifier, logits_of
from advcore.learnt import Learnt
from advcore.norms import L2OrLinf, norm_by_name
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Control = Literal["sphere", "chessboard", "constant", "mean"]
"""The kinds of vectors that nothing was learnt for."""

MINUS = "_minus"
"""End of the name of the opposite of a vector."""


@dataclass(frozen=True, eq=False)
class Shift:
    """Vectors `(n, *shape)` of one name, the mean over which makes one row of each sample.

    Attributes:
        vector: `none`, `learnt`, `learnt_minus`, `sphere` or `control`.
        control: name of the control, empty for what is none.
        vectors: tensor of them, in float64 on the CPU.
    """

    vector: str
    control: str
    vectors: Tensor


def shifts(
    fit: Learnt,
    shape: tuple[int, ...],
    controls: tuple[Control, ...],
    squares: tuple[int, ...],
    draws: int,
    norm: L2OrLinf,
    seed: int,
) -> list[Shift]:
    """Return no shift, the learnt vector, and the controls of its size, each with its opposite.

    Raises ValueError for a fit of other inputs, or of a vector 0.
    """
    learnt = _of_fit(fit, "vector", shape)
    size = norm_by_name(norm).size(learnt)
    found = [Shift("none", "", torch.zeros_like(learnt))]
    found += [Shift("learnt", "", learnt), Shift(f"learnt{MINUS}", "", -learnt)]
    if "sphere" in controls:
        found.append(Shift("sphere", "", size * random_points(seed, draws, shape, norm)))
    for name, picture in _pictures(fit, shape, controls, squares):
        vector = size * picture / norm_by_name(norm).size(picture)
        found += [Shift("control", name, vector), Shift("control", f"{name}{MINUS}", -vector)]
    return found


def random_points(seed: int, count: int, shape: tuple[int, ...], norm: L2OrLinf) -> Tensor:
    """Return random points of the unit sphere, `(count, *shape)`, the same for all samples.

    They are uniform on it in l2, and corners of the cube in linf, which are the longest in l2.
    """
    one = Randomness(seed, torch.zeros(1, dtype=torch.int64))
    return norm_by_name(norm).steepest(one.stream("sphere").normal((count, *shape))[0].double())


def chessboard(shape: tuple[int, ...], square: int) -> Tensor:
    """Return +1 and -1 by squares of so many pixels, `(1, C, H, W)`, alike in all channels.

    The square in the upper left corner is +1.
    """
    rows, columns = (torch.arange(length) // square for length in shape[-2:])
    board = 1 - 2 * ((rows[:, None] + columns) % 2)
    return board.double().expand(1, *shape)


def effects(
    classifier: Classifier, batch: Batch, own: Tensor, vectors: Tensor, box: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return fooled, correct and confidence of each sample `(B,)`, the means over the vectors.

    `own` `(B,)` are the predictions of the inputs themselves, with which the first and the last
    compare; `vectors` are `(n, *shape)`; with a `box` shifted inputs are clipped to [0, 1].
    """
    fooled, correct, confidence = (torch.zeros_like(own, dtype=torch.float64) for _ in range(3))
    for vector in vectors.to(batch.inputs):
        moved = batch.inputs + vector
        logits = logits_of(classifier, moved.clamp(0, 1) if box else moved)
        predicted = logits.argmax(1)
        fooled += predicted != own
        correct += predicted == batch.labels
        confidence += logits.double().softmax(1).gather(1, own[:, None])[:, 0]
    return fooled / len(vectors), correct / len(vectors), confidence / len(vectors)


def check_fit(fit: Learnt, name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError where a fit has no tensor of this name, or one of another shape.

    It is asked for what it declares until it is learnt; of one that says nothing nothing is said.
    """
    shapes = fit.shapes
    if name == "mean" and shapes is not None and name not in shapes:
        raise ValueError(
            f"the fit {fit.name} holds no mean of its inputs, which the control mean needs: leave "
            "mean out of controls"
        )
    there = fit.shape_of(name)
    if there is not None and there != tuple(shape):
        raise ValueError(
            f"{name} of the fit {fit.name} is of inputs {there}; these are {tuple(shape)}: give a "
            "fit of such inputs"
        )


def _pictures(
    fit: Learnt, shape: tuple[int, ...], controls: tuple[Control, ...], squares: tuple[int, ...]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the controls that are not random, `(1, *shape)`, with their names."""
    if "chessboard" in controls:
        yield from ((f"chessboard_{square}", chessboard(shape, square)) for square in squares)
    if "constant" in controls:
        yield "constant", torch.ones(1, *shape, dtype=torch.float64)
    if "mean" in controls:
        yield "mean", _of_fit(fit, "mean", shape)


def _of_fit(fit: Learnt, name: str, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor of the fit as `(1, *shape)`, finite and not 0."""
    check_fit(fit, name, shape)
    tensor = fit[name].detach().cpu().double()
    if not tensor.isfinite().all() or not tensor.any():
        raise ValueError(
            f"{name} of the fit {fit.name} must be finite and not 0, to have a size; look at the "
            "fit's history"
        )
    return tensor[None]
