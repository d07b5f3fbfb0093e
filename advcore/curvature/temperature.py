"""The temperature at which networks that are confident to different degrees can be compared."""

import math

from torch import Tensor, nn

from advcore.classifier import Classifier, check_finite, logits_of, take_rows

LOWEST, HIGHEST, HALVINGS = 1e-6, 1e6, 60
"""The temperatures between which it is looked for, and how often their ratio's logarithm is
halved."""

DIGITS = 4
"""Significant digits of a temperature: logits that another batch rounds otherwise give the same
one."""


def temperature_for(logits: Tensor, confidence: float = 0.9) -> float:
    """Return the temperature T at which the median confidence is `confidence`.

    The median is that over samples of `max_k softmax(z / T)_k`, from logits z `(N, K)`.

    Confidence falls as T grows, from 1 to 1 / K, so the logarithm of T is bisected; rounded to four
    significant digits. The median is the mean of the two middle ones of an even number. 1e-6 or 1e6
    where no T gives that confidence, as where logits are equal. Raises ValueError unless the
    confidence lies in (1 / K, 1) and the logits are finite, one row at least.
    """
    if logits.dim() != 2 or not len(logits):
        raise ValueError(
            f"a temperature needs logits (N, K) of at least one sample; got {tuple(logits.shape)}"
        )
    check_finite(logits)
    check_confidence(confidence, logits.shape[1])
    values = logits.detach().double()
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        surer = (values / math.exp(middle)).softmax(1).amax(1).quantile(0.5).item() > confidence
        low, high = (middle, high) if surer else (low, middle)
    return float(f"{math.exp((low + high) / 2):.{DIGITS}g}")


def check_confidence(confidence: float, classes: int) -> None:
    """Raise ValueError unless the largest of `classes` probabilities can have that value.

    Some temperature must give it.
    """
    if not 1 / classes < confidence < 1:
        raise ValueError(
            f"confidence must lie in (1 / K, 1), K = {classes} classes: 0.9, say; got {confidence}"
        )


class Tempered(nn.Module):
    """`x -> classifier(x) / T`: the same classes and the same boundary.

    It is less confident where T > 1.
    """

    def __init__(self, classifier: Classifier, temperature: float) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ValueError(
                "temperature must be a positive number, 1 for the logits as they are; got "
                f"{temperature}"
            )
        self.classifier, self.temperature = classifier, temperature

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(B, K)` of images `(B, C, H, W)`, divided by T."""
        return logits_of(self.classifier, images) / self.temperature

    def rows(self, index: Tensor) -> "Tempered":
        """The classifier for the samples `index` of its batch."""
        return Tempered(take_rows(self.classifier, index), self.temperature)
