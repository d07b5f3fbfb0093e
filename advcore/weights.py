"""The weights of a network as one vector, and the network with other ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier
from advcore.modules import modules_of


def parameters_of(classifier: Classifier) -> list[nn.Parameter]:
    """Return the parameters behind a classifier, each once; ValueError where none is seen."""
    found = [own for module in modules_of(classifier) for own in module.parameters()]
    if not found:
        raise ValueError("the classifier shows no parameters: give a torch.nn.Module")
    return list(dict.fromkeys(found))


def weight_vector(classifier: Classifier) -> Tensor:
    """Return all parameters, weights and biases, in their order, as one vector `(n,)`."""
    return torch.cat([own.detach().flatten() for own in parameters_of(classifier)])


@contextmanager
def moved_weights(classifier: Classifier, steps: list[Tensor]) -> Iterator[None]:
    """Add a step to each parameter inside the block; on exit they are as before, bit for bit."""
    parameters = parameters_of(classifier)
    before = [own.detach().clone() for own in parameters]
    try:
        with torch.no_grad():
            for own, step in zip(parameters, steps, strict=True):
                own.add_(step)
        yield
    finally:
        with torch.no_grad():
            for own, kept in zip(parameters, before, strict=True):
                own.copy_(kept)


def relative_steps(classifier: Classifier, size: float, random: torch.Generator) -> list[Tensor]:
    """Return random steps, of each parameter tensor `size` times as long as it is, l2."""
    steps = []
    for own in parameters_of(classifier):
        step = torch.randn(own.shape, generator=random, dtype=torch.float64)
        length = own.detach().norm().double().cpu()
        steps.append((size * length * step / step.norm()).to(own))
    return steps
