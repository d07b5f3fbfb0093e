"""Classifiers: images in [0, 1] to logits, and the ways to hold one still while it is measured."""

import warnings
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from advcore.checks import check_batch as check_batch
from advcore.checks import check_finite as check_finite
from advcore.checks import check_images as check_images
from advcore.checks import check_labels as check_labels
from advcore.checks import check_logits as check_logits
from advcore.checks import check_pictures as check_pictures
from advcore.checks import check_tensor as check_tensor
from advcore.checks import describe_type
from advcore.checks import exactly as exactly
from advcore.holding import evaluating as evaluating
from advcore.holding import frozen as frozen
from advcore.modules import modules_of
from advcore.precision import full_precision as full_precision
from advcore.transforms import Transform, shape_before

MIXED = 0.02
"""The share of their spread by which the logits of an image alone differ from those beside others
where rows of a batch mix; a lower precision rounds by less."""

CHANGES_IMAGES = (
    "the classifier changes its images in place (x -= mean, say): let it make new ones, x = x "
    "- mean"
)


class Classifier(Protocol):
    """A callable from images `(B, C, H, W)` in [0, 1] to logits `(B, K)`.

    Normalisation stands inside it. One that holds something for each sample is a `PerSample`.
    """

    def __call__(self, images: Tensor, /) -> Tensor:
        """Return the logits `(B, K)` of images `(B, C, H, W)`."""


@runtime_checkable
class PerSample(Classifier, Protocol):
    """A classifier that holds something of its own for each sample, such as a subspace."""

    def rows(self, index: Tensor) -> Classifier:
        """The classifier of the samples `index` `(n,)` of its batch."""


def take_rows(classifier: Classifier, index: Tensor) -> Classifier:
    """Return the classifier for the samples `index` of its batch.

    It is the same object unless it holds something per sample.
    """
    return classifier.rows(index) if isinstance(classifier, PerSample) else classifier


def logits_of(classifier: Classifier, images: Tensor) -> Tensor:
    """Return the logits `(B, K)` in the precision of the images.

    This is the one way to call a classifier, whatever precision it computes in.

    Raises ValueError where it gives something else than a tensor, or fails at images of another
    precision or layout than its own.
    """
    try:
        logits = classifier(images)
    except (RuntimeError, ValueError) as error:
        reason = _misfit(classifier, images, str(error))
        if reason is None or isinstance(error, torch.OutOfMemoryError):
            raise
        raise ValueError(reason) from error
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"the classifier must give logits, a tensor (B, K); got {describe_type(logits)}: "
            "wrap it, lambda images: network(images)[0], or .logits, or whatever holds them"
        )
    return logits if logits.dtype == images.dtype else logits.to(images.dtype)


def first_logits(classifier: Classifier, images: Tensor) -> Tensor:
    """The logits `(B, K)` of a first pass, without gradients: whatever does not fit shows here.

    Raises ValueError where the classifier cannot take such images, changes them, or gives what are
    no logits; warns where it is a callable, with no module to be seen behind it, that gives the
    first image alone other logits than beside others (one more query of it).
    """
    with torch.no_grad():
        logits = _logits_alone(classifier, images)
        check_logits(logits, len(images))
        if (
            len(images) > 1
            and not modules_of(classifier)
            and mixes_rows(classifier, images, logits)
        ):
            warnings.warn(
                "the classifier gives an image other logits alone than beside others, or at each "
                "call: if a network in training mode stands behind it, call network.eval() first; "
                "what is found does not hold otherwise",
                stacklevel=3,
            )
    return logits


def mixes_rows(classifier: Classifier, images: Tensor, logits: Tensor) -> bool:
    """Return whether the first image alone has other logits than `logits` `(B, K)` say.

    Then rows of a batch mix, or passes differ.
    """
    try:
        alone = logits_of(
            take_rows(classifier, torch.zeros(1, dtype=torch.int64, device=images.device)),
            images[:1],
        )
    except ValueError:  # batch normalisation in training mode refuses one value a channel
        return True
    except RuntimeError:  # made for this batch alone
        return False
    spread = (logits.amax() - logits.amin()).item()
    return not (alone - logits[:1]).abs().amax().item() <= MIXED * spread


class Normalized(nn.Module):
    """`images -> network((images - mean) / std)`, from pixels in [0, 1].

    So all distances are in pixel units.

    `mean` and `std` hold one number per channel, in pixel units; of tables `(B, F)` and sequences
    `(B, T, E)` one per entry of the last axis. With a linear `transform` T of the
    images, the mean image is transformed as well: `images -> network((images - T mean) / std)` of
    `T x` is the network of `T ((x - mean) / std)`, where T leaves the channels apart and mean and
    std are those of the images before.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        transform: Transform | None = None,
    ) -> None:
        super().__init__()
        if len(mean) != len(std) or not mean:
            raise ValueError(
                f"mean and std need one number per channel each; got {len(mean)} and {len(std)}"
            )
        if min(std) <= 0:
            raise ValueError(f"std must be positive in each channel; got {tuple(std)}")
        self.network = network
        self.transform = transform
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(B, K)` of images `(B, C, H, W)` in pixel units."""
        if images.dim() < 4:
            return self._of_rows(images)
        if images.shape[-3] != self.mean.shape[0]:
            raise ValueError(
                f"the classifier normalises {self.mean.shape[0]} channels; images have "
                f"{images.shape[-3]}"
            )
        mean = (
            self.mean
            if self.transform is None
            else self.transform(
                self.mean.expand(shape_before(self.transform, tuple(images.shape[-3:])))[None]
            )
        )
        return self.network((images - mean) / self.std)

    def _of_rows(self, inputs: Tensor) -> Tensor:
        """The logits of tables or sequences, whose last axis is normalised."""
        if inputs.shape[-1] != len(self.mean):
            raise ValueError(
                f"the classifier normalises {len(self.mean)} features; inputs have "
                f"{inputs.shape[-1]}"
            )
        return self.network((inputs - self.mean.view(-1)) / self.std.view(-1))


def bare_network(network: nn.Module) -> nn.Module:
    """The network without normalisation around it, whose names settings speak of."""
    return network.network if isinstance(network, Normalized) else network


class Around(nn.Module):
    """`r -> classifier(x + r)`: the classifier of perturbations of given images.

    It has one image per row of the batch.

    What is measured at x without a box is what is measured of this at `r = 0`; there x may lie
    outside [0, 1], as transformed images do.
    """

    def __init__(self, classifier: Classifier, images: Tensor) -> None:
        super().__init__()
        self.classifier = classifier
        self.images = images

    def forward(self, perturbations: Tensor) -> Tensor:
        """Return the logits `(B, K)` of the images plus `perturbations` `(B, C, H, W)`."""
        return self.classifier(self.images + perturbations)

    def rows(self, index: Tensor) -> "Around":
        """The classifier around the images `index`."""
        return Around(take_rows(self.classifier, index), self.images[index])


def predict(classifier: Classifier, images: Tensor) -> Tensor:
    """The likeliest class of each image `(B, C, H, W)`, `(B,)`, with the classifier held still."""
    with frozen(classifier), torch.no_grad():
        return _logits_alone(classifier, images).argmax(1)


def _logits_alone(classifier: Classifier, images: Tensor) -> Tensor:
    """`logits_of`; ValueError where the images are changed by it."""
    version = None if images.is_inference() else images._version  # which those do not have
    logits = logits_of(classifier, images)
    if version is not None and images._version != version:
        raise ValueError(CHANGES_IMAGES)
    return logits


def _misfit(classifier: Classifier, images: Tensor, error: str) -> str | None:
    """Return why images do not fit a classifier that failed at them with an error.

    None if the reason is not known.
    """
    if "a leaf Variable that requires grad is being used in an in-place operation" in error:
        return CHANGES_IMAGES
    weights = [
        weight
        for module in modules_of(classifier)
        for weight in module.parameters()
        if weight.is_floating_point()
    ]
    dtypes = sorted({str(weight.dtype) for weight in weights})
    if dtypes and str(images.dtype) not in dtypes:
        return (
            f"the network has weights of {', '.join(dtypes)}; images are {images.dtype}: make "
            "them one, network.to(images.dtype)"
        )
    if images.dim() == 4 and images.shape[3] in (1, 3, 4) and images.shape[1] not in (1, 2, 3, 4):
        return (
            f"images are read as (B, C, H, W), so those of {tuple(images.shape)} have "
            f"{images.shape[1]} channels, which the "
            "classifier does not take: if channels come last, give images.permute(0, 3, 1, 2)"
        )
    layers = [layer for module in modules_of(classifier) for layer in module.modules()]
    if images.dim() == 3 and any(isinstance(layer, nn.Conv2d) for layer in layers):
        return (
            f"images must be (B, C, H, W); got {tuple(images.shape)}: of one image, give "
            "images[None]"
        )
    return None
