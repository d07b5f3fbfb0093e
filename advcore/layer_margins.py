"""First-order margins at the layers of a network, and what a distribution of margins is told by.

Source: Jiang et al. 2019, Predicting the generalization gap in deep networks with margin
distributions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_labels, check_logits, frozen, full_precision
from advcore.layers import layer_inputs
from advcore.logit_gradients import has_gradient, leaf

QUANTILES = ("lower_fence", "first_quartile", "median", "third_quartile", "upper_fence")
"""The five numbers of a signature, in their order."""

MOMENTS = 5
"""Number of moments that stand for a distribution."""


def first_order_margins(
    classifier: Classifier, inputs: Tensor, labels: Tensor, layers: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Return the margins at each layer to first order, `(B, L)`, and the classes nearest by them.

    The margin at the layer whose input is h is

        min over c != y of (z_y - z_c) / ||grad_h (z_y - z_c)||_2,

    the length of the shortest change of h to a boundary if the logits were affine in h: exact where
    they are, as behind the last hidden layer. Any class may be the nearest one, the second
    likeliest or another. It is in the layer's own units, for `input` in pixels, and negative where
    a class is likelier than the label; inf where nothing that is done to h brings one nearer.

    Cost: a forward pass, and a backward pass for each class, for all layers together.

    Args:
        inputs: `(B, *shape)`.
        labels: `(B,)`.
        layers: names of the layers, see `advcore.layers`.
    """
    with full_precision(), frozen(classifier), torch.enable_grad():
        logits, held = layer_inputs(classifier, leaf(inputs), layers)
        check_logits(logits, len(inputs))
        check_labels(labels, len(inputs), logits.shape[1])
        gaps = logits.gather(1, labels[:, None]) - logits
        lengths = logits.new_zeros(logits.shape[1], len(layers), len(inputs))
        if has_gradient(logits):
            for c, gap in enumerate(gaps.unbind(1)):
                slopes = torch.autograd.grad(
                    gap.sum(), list(held.values()), retain_graph=True, materialize_grads=True
                )
                lengths[c] = torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes])
    ratios = gaps.detach().T[:, None] / lengths
    own = torch.arange(len(ratios), device=labels.device)[:, None] == labels
    margins, nearest = ratios.nan_to_num(0, torch.inf, -torch.inf).masked_fill(
        own[:, None], torch.inf
    ).min(0)  # fmt: skip
    return margins.T, nearest.T


def usable(values: Tensor) -> Tensor:
    """Return those of `(N,)` that have a logarithm: margins of samples classified right."""
    return values[(values > 0) & values.isfinite()]


def signature(values: Tensor) -> Tensor:
    """Return the logarithms of five numbers of positive values `(N,)`, `(5,)` in float64.

    They are the quartiles Q1, Q2, Q3 between the fences Q1 - 1.5 IQR and Q3 + 1.5 IQR, IQR = Q3 -
    Q1, which are clipped to the smallest and the largest value (Jiang et al. 2019, section 3.2).
    """
    values = values.double()
    points = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64, device=values.device)
    first, median, third = values.quantile(points)
    reach = 1.5 * (third - first)
    lower = (first - reach).clamp(min=values.min())
    upper = (third + reach).clamp(max=values.max())
    return torch.stack([lower, first, median, third, upper]).log()


def moments(values: Tensor) -> Tensor:
    """Return `log(mean(v^k)) / k` of positive values `(N,)` for k = 1 to 5, `(5,)` in float64.

    They are the logarithms of the first moments, brought to the values' own units.
    """
    values = values.double()
    powers = torch.arange(1, MOMENTS + 1, dtype=torch.float64, device=values.device)
    largest = values.max()
    means = (values / largest)[:, None].pow(powers).mean(0)  # relative, against overflow
    return largest.log() + means.log() / powers
