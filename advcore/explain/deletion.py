"""Deletion and insertion curves of an order of pixels (Petsiuk et al. 2018, RISE)."""

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen, full_precision, logits_of


def pixel_order(maps: Tensor) -> Tensor:
    """Return the pixels of maps `(B, C, H, W)`, `(B, H W)` int64, by the largest value first.

    A pixel's value is the sum over its channels, signed: what speaks for the label comes first.
    """
    return maps.sum(1).flatten(1).argsort(dim=1, descending=True, stable=True)


def deletion_curve(
    classifier: Classifier,
    pictures: Tensor,
    labels: Tensor,
    order: Tensor,
    points: int,
    fill: float = 0.0,
    insert: bool = False,
) -> Tensor:
    """Return the label's probability as pixels are taken away, `(B, points + 1)`.

    Entry j is that of the picture whose first `round(j H W / points)` pixels in the `order`
    `(B, H W)` have the value `fill`; with `insert`, that of the fill alone with these pixels put
    in. A few points of a picture lie beside each other off the data (as the source says, too): a
    curve is to be compared with that of another order of the same picture.
    """
    size = order.shape[1]
    place = order.argsort(1).view(len(pictures), 1, *pictures.shape[2:])
    blank = torch.full_like(pictures, fill)
    curve = []
    with full_precision(), frozen(classifier), torch.no_grad():
        for j in range(points + 1):
            first = place < round(j * size / points)
            changed = torch.where(first == insert, pictures, blank)
            probabilities = logits_of(classifier, changed).softmax(1)
            curve.append(probabilities.gather(1, labels[:, None])[:, 0])
    return torch.stack(curve, 1)


def area_under(curve: Tensor) -> Tensor:
    """Return the area under curves `(B, points + 1)` over the share of pixels, `(B,)`, in [0, 1].

    By the trapezoidal rule.
    """
    return ((curve[:, 1:] + curve[:, :-1]) / 2).mean(1)
