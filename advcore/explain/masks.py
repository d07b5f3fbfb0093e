"""Masks of deletion and of preservation: the smallest part of a picture that decides its label.

A mask of a few cells is drawn up smoothly to the picture's size, and where it lies a picture gives
way to another: `(1 - m) x + m x'`. To delete is to put a fill where the mask lies, and a label that
changes is what is searched for; to keep is to start from the fill and to uncover the picture, until
the label is there again (Fong and Vedaldi 2017, Interpretable explanations of black boxes by
meaningful perturbation). Both are attacks on a classifier of masks, which begin at the empty one:
so the answer is valid by the attack's own last look, and no further search is written.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from advcore.classifier import Classifier, frozen, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.randomness import Randomness

FillName = Literal["blur", "constant", "noise"]
OrderName = Literal["blob", "scattered"]


class Masked(nn.Module):
    """`m -> classifier((1 - m) x + m x')`: a classifier of masks `(B, 1, h, w)` in [0, 1].

    `before` x and `behind` x' are pictures `(B, C, H, W)`, of each row its own.
    """

    def __init__(self, classifier: Classifier, before: Tensor, behind: Tensor) -> None:
        super().__init__()
        self.classifier, self.before, self.behind = classifier, before, behind

    def pictures(self, masks: Tensor) -> Tensor:
        """Return what masks make of the pictures, `(B, C, H, W)`."""
        return torch.lerp(self.before, self.behind, drawn_up(masks, self.before))

    def forward(self, masks: Tensor) -> Tensor:
        """Return the logits `(B, K)`."""
        return self.classifier(self.pictures(masks))

    def rows(self, index: Tensor) -> "Masked":
        """The classifier of masks of the samples `index`."""
        return Masked(take_rows(self.classifier, index), self.before[index], self.behind[index])


def drawn_up(masks: Tensor, like: Tensor) -> Tensor:
    """Return masks `(B, 1, h, w)` at the size of pictures, `(B, 1, H, W)`, linear between cells."""
    return functional.interpolate(
        masks, size=tuple(like.shape[2:]), mode="bilinear", align_corners=False
    )


def areas(masks: Tensor, like: Tensor) -> Tensor:
    """Return the share of the picture that masks cover, `(B,)`: the mean of what is drawn up."""
    return drawn_up(masks, like).mean((1, 2, 3))


def filled(
    name: FillName, pictures: Tensor, randomness: Randomness, blur: float, level: float
) -> Tensor:
    """Return what stands where pictures `(B, C, H, W)` are deleted.

    `blur`: themselves under a Gaussian of that standard deviation, in pixels; `constant`: the
    `level`; `noise`: uniform in [0, 1], by (seed, sample).
    """
    if name == "blur":
        return blurred(pictures, blur)
    if name == "constant":
        return torch.full_like(pictures, level)
    return randomness.stream("fill").uniform(tuple(pictures.shape[1:])).to(pictures)


def blurred(pictures: Tensor, deviation: float) -> Tensor:
    """Return pictures `(B, C, H, W)` under a Gaussian, cut at 3 deviations, edges continued."""
    reach = max(1, int(3 * deviation))
    steps = torch.arange(-reach, reach + 1, device=pictures.device, dtype=pictures.dtype)
    weights = torch.exp(-steps.square() / (2 * deviation**2))
    weights = weights / weights.sum()
    flat = pictures.flatten(0, 1)[:, None]
    for shape, pad in (((1, -1), (reach, reach, 0, 0)), ((-1, 1), (0, 0, reach, reach))):
        wide = functional.pad(flat, pad, mode="replicate")
        flat = functional.conv2d(wide, weights.view(1, 1, *shape))
    return flat.view_as(pictures)


def random_order(kind: OrderName, cells: int, randomness: Randomness) -> Tensor:
    """Return an order of the cells of masks `(cells, cells)`, `(B, cells^2)`: which comes first.

    `blob`: by their distance to a random point, to which up to a cell of noise is added; so the
    first ones lie together, in a ragged round. `scattered`: at random.
    """
    noise = randomness.stream("noise").uniform((cells, cells))
    if kind == "scattered":
        return noise.flatten(1).argsort(1)
    middle = cells * randomness.stream("middle").uniform((2,))
    sides = torch.arange(cells, device=noise.device) + 0.5
    down = (sides - middle[:, :1]).square()[:, :, None]
    across = (sides - middle[:, 1:]).square()[:, None]
    return ((down + across).sqrt() + noise).flatten(1).argsort(1)


def first_mask(classifier: Masked, order: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
    """Return the smallest mask of whole cells, taken in an order, at which the criterion holds.

    The order is `(B, n)`, of the n cells of a square; masks are `(B, 1, h, w)`. The second is
    whether there is one, `(B,)`; where there is none the mask is whole. All sizes are tried, from
    none on, since a label may change and come back.
    """
    cells = round(order.shape[1] ** 0.5)
    ranks = order.argsort(1).view(-1, 1, cells, cells)
    masks = torch.ones_like(ranks, dtype=classifier.before.dtype)
    found = torch.zeros(len(order), dtype=torch.bool, device=order.device)
    with frozen(classifier), torch.no_grad():
        for size in range(order.shape[1] + 1):
            left = (~found).nonzero()[:, 0]
            if not len(left):
                break
            tried = (ranks[left] < size).to(masks)
            holds = criterion.take(left).holds(logits_of(take_rows(classifier, left), tried))
            masks[left[holds]], found[left[holds]] = tried[holds], True
    return masks, found
