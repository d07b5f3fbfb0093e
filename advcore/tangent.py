"""A classifier linearised at images once, for margins in many subspaces."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.logit_gradients import jacobian


@dataclass(frozen=True, eq=False)
class Tangent:
    """Logits at images and the gradients of the likeliest of them.

    - `logits` `(n, K)`; `classes` `(n, m)`, the likeliest ones; `gradients` `(n, m, *shape)` of
      their logits.
    - `index` `(B,)`: the image of each row of a batch, for one image may stand in many rows.
    """

    logits: Tensor
    classes: Tensor
    gradients: Tensor
    index: Tensor

    @classmethod
    def at(cls, classifier: Classifier, images: Tensor, classes: int) -> "Tangent":
        """Linearise at images `(n, *shape)`, for so many classes at most.

        This costs one forward pass and a backward pass for each class.
        """

        def likeliest(logits: Tensor) -> Tensor:
            return logits.topk(min(classes, logits.shape[1]), dim=1).indices

        logits, gradients = jacobian(
            classifier, images, lambda logits: logits.gather(1, likeliest(logits.detach()))
        )
        return cls(
            logits, likeliest(logits), gradients, torch.arange(len(images), device=images.device)
        )

    def take(self, index: Tensor) -> "Tangent":
        """The rows `index`, perhaps more than once each; nothing is copied."""
        return replace(self, index=self.index[index])

    def differentiate(
        self, coordinates: Callable[[Tensor], Tensor], values: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return `advcore.logit_gradients.jacobian` at these images in other coordinates.

        The chain rule gives it, without any pass.

        Args:
            coordinates: the linear map `Q^T` from gradients `(B, *shape)` to `(B, dim)`.
            values: as there.

        Returns:
            logits `(B, K)` and gradients `(B, k, dim)`; None where `values` depends on a logit
            whose gradient is not known.
        """
        with torch.enable_grad():
            logits = self.logits[self.index].requires_grad_()
            wanted = logits if values is None else values(logits)
            columns = [
                torch.autograd.grad(column.sum(), logits, retain_graph=True)[0]
                for column in wanted.unbind(1)
            ]
        weights = torch.stack(columns, 1)
        classes = self.classes[self.index]
        known = weights.gather(2, classes[:, None].expand(-1, weights.shape[1], -1))
        if known.count_nonzero() < weights.count_nonzero():
            return None
        rows = torch.stack(
            [coordinates(gradients[self.index]) for gradients in self.gradients.unbind(1)], 1
        )
        return logits.detach(), known @ rows
