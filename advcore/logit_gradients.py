"""Gradients of functions of the logits, for every sample at once."""

import warnings
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from advcore.classifier import Classifier, logits_of
from advcore.convolution import FewChannels


@runtime_checkable
class KnowsJacobian(Classifier, Protocol):
    """A classifier that knows its Jacobian at some images, so that no pass is needed there."""

    def known_jacobian(
        self, images: Tensor, values: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return the logits `(B, K)` and gradients `(B, k, *shape)` as `jacobian` does.

        None where they are not known.
        """


def leaf(images: Tensor) -> Tensor:
    """Images, without their past, as what is differentiated in.

    Raises ValueError under `torch.inference_mode()`, which knows no gradients; images that were
    made there are copied.
    """
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "gradients are needed, which torch.inference_mode() takes away: leave it for attacks "
            "and curvature (torch.no_grad() does them no harm)"
        )
    return (images.clone() if images.is_inference() else images.detach()).requires_grad_()


def has_gradient(output: Tensor) -> bool:
    """Return whether an output can be differentiated; warn if not.

    Gradients that are 0 then may be anything in truth.
    """
    if not output.requires_grad:
        warnings.warn(
            "zero_gradients: torch sees no dependence of the classifier's logits on its images "
            "(it detaches them, or runs without gradients): all gradients are 0, attacks that "
            "follow them find nothing, and curvature is 0",
            stacklevel=4,
        )
    return output.requires_grad


def jacobian(
    classifier: Classifier, images: Tensor, values: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Logits and the gradients of functions of them.

    Args:
        images: `(B, *shape)`.
        values: from the logits `(B, K)` to what is differentiated, `(B, k)`, row by row; the logits
            themselves when None.

    Returns:
        logits `(B, K)` and gradients `(B, k, *shape)`, `gradients[b, j] = d values(logits)[b, j] /
        d images[b]`, both detached.

    One forward pass, and one backward pass over the batch per column: the rows of a batch do not
    mix, so column j of all samples comes from one vector-Jacobian product. On CPUs
    `is_grads_batched` and a batch of (sample, column) pairs were no faster. A classifier that
    `KnowsJacobian` is asked first.
    """
    if isinstance(classifier, KnowsJacobian):
        answer = classifier.known_jacobian(images, values)
        if answer is not None:
            return answer
    with torch.enable_grad():
        images = leaf(images)
        with FewChannels():
            logits = logits_of(classifier, images)
        wanted = logits if values is None else values(logits)
        if not has_gradient(logits):
            return logits.detach(), images.new_zeros(
                len(images), wanted.shape[1], *images.shape[1:]
            )
        last = wanted.shape[1] - 1
        gradients = [
            torch.autograd.grad(
                column.sum(), images, retain_graph=j < last, materialize_grads=True
            )[0]
            for j, column in enumerate(wanted.unbind(1))
        ]
    return logits.detach(), torch.stack(gradients, 1)


def differentiate(
    classifier: Classifier, images: Tensor, value: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradient, the value and the logits of a function of the logits.

    The function maps `(B, K)` to `(B,)`; the gradient is `(B, *shape)`. All are detached.
    """

    def slope(logits: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            values = value(leaf)
            return values.detach(), torch.autograd.grad(values.sum(), leaf, materialize_grads=True)[
                0
            ]

    return pull_back(classifier, images, slope)


def pull_back(
    classifier: Classifier, images: Tensor, slope: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Like `differentiate`, for a function whose derivative is known.

    `slope` gives its value `(B,)` and its derivative `(B, K)`.
    """
    with torch.enable_grad():
        images = leaf(images)
        with FewChannels():
            output = logits_of(classifier, images)
    logits = output.detach()
    values, weights = slope(logits)
    if not has_gradient(output):
        return torch.zeros_like(images).detach(), values, logits
    return torch.autograd.grad(output, images, weights, materialize_grads=True)[0], values, logits
