"""Classifiers: images in [0, 1] to logits, and the ways to hold one still while it is measured."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from advcore.buffers import in_evaluation
from advcore.transforms import Transform


class Classifier(Protocol):
    """Any callable from images `(B, C, H, W)` in [0, 1] to logits `(B, K)`; normalisation stands inside it.

    A classifier that holds something of its own per sample (a restriction to a subspace around each image, say) also has
    `rows(index)`, itself for some of its samples; see `take_rows`.
    """

    def __call__(self, images: Tensor, /) -> Tensor: ...


def take_rows(classifier: Classifier, index: Tensor) -> Classifier:
    """The classifier for the samples `index` of its batch; the same object unless it holds something per sample."""
    rows = getattr(classifier, "rows", None)
    return classifier if rows is None else rows(index)


class Normalized(nn.Module):
    """`images -> network((images - mean) / std)`: takes pixels in [0, 1], so that all distances are in pixel units.

    `mean` and `std` hold one number per channel, in pixel units. With a linear `transform` T of the images, the mean image is
    transformed as well: `images -> network((images - T mean) / std)` of `T x` is the network of `T ((x - mean) / std)`, where T
    leaves the channels apart and mean and std are those of the images before.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float], transform: Transform | None = None) -> None:
        super().__init__()
        if len(mean) != len(std) or not mean:
            raise ValueError(f"mean and std need one number per channel each; got {len(mean)} and {len(std)}")
        if min(std) <= 0:
            raise ValueError(f"std must be positive in each channel; got {tuple(std)}")
        self.network = network
        self.transform = transform
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-3] != self.mean.shape[0]:
            raise ValueError(f"the classifier normalises {self.mean.shape[0]} channels; images have {images.shape[-3]}")
        mean = self.mean if self.transform is None else self.transform(self.mean.expand(images.shape[-3:])[None])
        return self.network((images - mean) / self.std)


class Around(nn.Module):
    """`r -> classifier(x + r)`: the classifier of perturbations of given images, one per row of the batch.

    What is measured at x without a box is what is measured of this at `r = 0`; there x may lie outside [0, 1], as transformed
    images do.
    """

    def __init__(self, classifier: Classifier, images: Tensor) -> None:
        super().__init__()
        self.classifier = classifier
        self.images = images

    def forward(self, perturbations: Tensor) -> Tensor:
        return self.classifier(self.images + perturbations)

    def rows(self, index: Tensor) -> "Around":
        """The classifier around the images `index`."""
        return Around(take_rows(self.classifier, index), self.images[index])


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, each part in its own mode again on exit, also after an error; parameters keep their gradients.

    In a training step the network's buffers are those of the step's start; see `held_buffers`.
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        with in_evaluation(network):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def frozen(classifier: Classifier) -> Iterator[None]:
    """Hold a classifier still: evaluation mode, no gradients for its parameters; all as it was on exit, also after an error.

    A callable that is no `torch.nn.Module` has nothing to hold and passes through.
    """
    if not isinstance(classifier, nn.Module):
        yield
        return
    gradients = [(parameter, parameter.requires_grad) for parameter in classifier.parameters()]
    with evaluating(classifier):
        try:
            for parameter, _ in gradients:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter, wanted in gradients:
                parameter.requires_grad_(wanted)


def predict(classifier: Classifier, images: Tensor) -> Tensor:
    """The likeliest class of each image `(B, C, H, W)`, `(B,)`, with the classifier held still."""
    with frozen(classifier), torch.no_grad():
        return classifier(images).argmax(1)


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply in full float32: TensorFloat-32 is off inside, on GPUs that would use it, and as it was on exit.

    torch has two sets of switches for it, `allow_tf32` and `fp32_precision`, and refuses to read the former where the two differ.
    Both are set, so that both can be read inside (`torch.backends.cudnn.flags` reads the former); what could not be read before
    is restored by `fp32_precision` alone, which is the one that counts.
    """
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    parts = (matmul, cudnn, cudnn.conv, cudnn.rnn)
    precisions = [part.fp32_precision for part in parts]
    legacy = [(part, _allow_tf32(part)) for part in (matmul, cudnn)]
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = False
        for part in parts:
            part.fp32_precision = "ieee"
        yield
    finally:
        for part, allowed in legacy:
            if allowed is not None:
                part.allow_tf32 = allowed
        for part, precision in zip(parts, precisions, strict=True):
            part.fp32_precision = precision


def _allow_tf32(part: Any) -> bool | None:
    """The older switch of a backend; None where torch refuses to read it, since the newer one was set."""
    try:
        return part.allow_tf32
    except RuntimeError:
        return None


def check_batch(images: Tensor) -> None:
    """Raise ValueError unless `images` is a floating `(B, C, H, W)` batch, finite, of at least one sample."""
    if not images.is_floating_point() or images.dim() != 4:
        raise ValueError(f"images must be a floating tensor (B, C, H, W); got {images.dtype} {tuple(images.shape)}")
    if len(images) == 0:
        raise ValueError("images hold no sample; a batch needs at least one")
    if not torch.isfinite(images).all():
        raise ValueError("images hold NaN or infinite values; remove those samples first")


def check_images(images: Tensor, low: float = 0.0, high: float = 1.0) -> None:
    """Raise ValueError unless `images` is a batch as `check_batch` wants it, in [low, high]."""
    check_batch(images)
    smallest, largest = images.min().item(), images.max().item()
    if smallest < low or largest > high:
        raise ValueError(
            f"images must lie in [{low:g}, {high:g}]; got [{smallest:g}, {largest:g}]. "
            "Scale the pixels (divide 8-bit ones by 255) and put normalisation into the classifier (advcore.Normalized)"
        )


def check_logits(logits: Tensor, samples: int) -> None:
    """Raise ValueError unless `logits` is finite, `(samples, K)` with K >= 2, and does not look like probabilities."""
    if logits.dim() != 2 or logits.shape[0] != samples or logits.shape[1] < 2:
        raise ValueError(f"the classifier must give logits ({samples}, K) with K >= 2; got {tuple(logits.shape)}")
    check_finite(logits)
    values = logits.detach()
    if (values >= 0).all() and torch.allclose(values.sum(1), values.new_ones(samples), atol=1e-4):
        raise ValueError(
            "the classifier's outputs look like probabilities (each row is >= 0 and sums to 1); give logits: leave the softmax out"
        )


def check_finite(logits: Tensor) -> None:
    """Raise ValueError unless all logits are finite."""
    if not torch.isfinite(logits).all():
        raise ValueError("the classifier gives NaN or infinite logits; check its weights and its normalisation")


def check_labels(labels: Tensor, samples: int, classes: int) -> None:
    """Raise ValueError unless `labels` holds one whole number in [0, classes) per sample."""
    if labels.shape != (samples,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be whole numbers ({samples},); got {labels.dtype} {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1} ({classes} logits); got {int(labels.min())}..{int(labels.max())}")
