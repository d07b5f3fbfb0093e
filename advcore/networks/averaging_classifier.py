"""The classifier that tells two classes by the sign of a mean of features.

Source: Tsipras et al. 2019 (Robustness may be at odds with accuracy), section 2.1.
"""

import torch
from torch import nn


def averaging(
    num_classes: int = 2, channels: int = 1, side: int = 1, first: int = 0, last: int | None = None
) -> nn.Module:
    """Build the linear classifier whose logits are `-m / 2` and `m / 2`, m a mean of features.

    Its weights are set, not drawn, and it has no bias. A change of eps in linf changes m by eps at
    most.

    Args:
        num_classes: number of logits, 2.
        channels: channels of the inputs, or number of features of a table.
        side: height and width of the inputs, 1 for a table.
        first: number of the first feature of the mean.
        last: number of the first feature behind it; none for all from `first` on.
    """
    features = channels * side**2
    if num_classes != 2:
        raise ValueError(f"averaging tells 2 classes; got {num_classes}")
    last = features if last is None else last
    if not 0 <= first < last <= features:
        raise ValueError(
            f"averaging needs 0 <= first < last <= {features}, the number of features; got first "
            f"{first}, last {last}"
        )
    weight = torch.zeros(2, features)
    weight[0, first:last], weight[1, first:last] = -0.5 / (last - first), 0.5 / (last - first)
    layer = nn.Linear(features, 2, bias=False)
    layer.weight = nn.Parameter(weight)
    return nn.Sequential(nn.Flatten(), layer)
