"""The smoothed classifier as one that can be differentiated (Salman et al. 2019, SmoothAdv).

Attacks, curvature and training go through it as through any other.
"""

import math

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier, PerSample, logits_of, take_rows
from advcore.randomness import Randomness


class SmoothedClassifier(nn.Module):
    """`x -> log mean_j p(x + sigma v_j)`, p the softmax, over `draws` fixed vectors v_j.

    The v_j are standard normal; more draws begin with those of fewer, and all sigma have the same.
    With sigma 0 it is the log of the softmax: the same predictions and boundaries as without.

    It is the soft form of what `advcore.certify.certify` certifies, which counts predicted classes
    over other draws. Its Monte Carlo error falls with the root of `draws`; another seed shows it.

    Args:
        sigma: standard deviation of a pixel, pixel units; noisy inputs are not clipped.
        draws: noise vectors of a sample, each a row of the batch that goes forward.
        randomness: source of the noise, one sample each row of the batch. None: the same vectors
            for all samples, so that it is one function of the input.
        seed: seed of those vectors, without `randomness`.
    """

    def __init__(
        self,
        classifier: Classifier,
        sigma: float,
        draws: int = 64,
        randomness: Randomness | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_smoothing(sigma, draws)
        self.classifier = classifier
        self.sigma = sigma
        self.draws = draws
        self.shared = randomness is None
        self.randomness = randomness or Randomness(seed, torch.zeros(1, dtype=torch.int64))
        self._noise: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logs of mean probabilities `(B, K)` at inputs `(B, *shape)`."""
        if self.sigma == 0:
            return logits_of(self.classifier, inputs).log_softmax(1)
        return log_mean_probabilities(self.logits_by_draw(inputs))

    def logits_by_draw(self, inputs: Tensor) -> Tensor:
        """Return the logits of all noisy copies, `(B, draws, K)`.

        Raises ValueError for a batch that is not the one that the noise is of.
        """
        noise = self._noise_at(inputs)
        if not self.shared and len(noise) != len(inputs):
            raise ValueError(
                f"the noise is that of {len(noise)} samples, one each row; got {len(inputs)} "
                "inputs: take the classifier of some by rows(index)"
            )
        noisy = (inputs[:, None] + self.sigma * noise).flatten(0, 1)
        classifier = self.classifier
        if isinstance(classifier, PerSample):
            everyone = torch.arange(len(inputs), device=inputs.device)
            classifier = take_rows(classifier, everyone.repeat_interleave(self.draws))
        return logits_of(classifier, noisy).unflatten(0, (len(inputs), self.draws))

    def rows(self, index: Tensor) -> "SmoothedClassifier":
        """The smoothed classifier of the samples `index`, with their noise."""
        part = SmoothedClassifier(
            take_rows(self.classifier, index),
            self.sigma,
            self.draws,
            self.randomness if self.shared else self.randomness.take(index),
        )
        part.shared = self.shared
        part.train(self.training)
        if self._noise is not None:
            part._noise = self._noise if self.shared else self._noise[index]
        return part

    def _noise_at(self, inputs: Tensor) -> Tensor:
        """The noise `(B or 1, draws, *shape)`, made once."""
        noise = self._noise
        if noise is None or noise.shape[2:] != inputs.shape[1:]:
            with torch.no_grad():
                noise = self.randomness.stream("smoothed").normal((self.draws, *inputs.shape[1:]))
            self._noise = noise
        if noise.device != inputs.device or noise.dtype != inputs.dtype:
            self._noise = noise = noise.to(inputs.device, inputs.dtype)
        return noise


def log_mean_probabilities(logits: Tensor) -> Tensor:
    """Return the log of the mean softmax over draws: `(B, draws, K)` logits to `(B, K)`."""
    return logits.log_softmax(2).logsumexp(1) - math.log(logits.shape[1])


def check_smoothing(sigma: float, draws: int) -> None:
    """Raise ValueError unless sigma is finite and not negative, and there are draws."""
    if not 0 <= sigma < math.inf:
        raise ValueError(
            f"sigma must be finite and not negative, the standard deviation of a pixel; got {sigma}"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1, a number of noise vectors; got {draws}")
