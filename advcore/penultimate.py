"""The features that the last layer of a network reads: its penultimate representation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from advcore.classifier import Classifier, logits_of
from advcore.training.freezing import bare_network
from advcore.training.heads import find_head


@contextmanager
def last_features(classifier: Classifier, inputs: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give the map from inputs `(B, *shape)` to the inputs `(B, n)` of the last layer.

    The layer is found by the first of some `inputs`, see `advcore.training.heads.find_head`. The
    map has gradients, and holds inside the block alone.

    Raises ValueError for a classifier without a last layer.
    """
    if not isinstance(classifier, nn.Module):
        raise ValueError(
            "the features before the last layer need a torch.nn.Module; got a "
            f"{type(classifier).__name__}: wrap it into one that holds its layers"
        )
    head = bare_network(classifier).get_submodule(find_head(classifier, inputs[:1]))
    heard: list[Tensor] = []

    def hear(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        heard[:] = given[:1]

    def features(some: Tensor) -> Tensor:
        logits_of(classifier, some)
        return heard[0].flatten(1)

    hook = head.register_forward_pre_hook(hear)
    try:
        yield features
    finally:
        hook.remove()
