"""Check that a network is still what it was.

A probe that changes it in place would change the rows of the others.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Fingerprint = Mapping[str, object]
"""Values that are compared, by the name of a parameter, a buffer or a module."""


def fingerprint(network: nn.Module) -> Fingerprint:
    """Return what a measurement must leave unchanged.

    Each tensor's bytes as a sum, each module's mode and number of hooks.
    """
    tensors = {
        name: tensor for name, tensor in _tensors(network).items() if tensor.layout == torch.strided
    }
    sums = [total.cpu() for total in map(_total, tensors.values())]
    about: dict[str, object] = {
        name: (total.item(), tuple(tensor.shape), tensor.requires_grad)
        for (name, tensor), total in zip(tensors.items(), sums, strict=True)
    }
    for name, module in network.named_modules():
        about[f"{name or 'the network'} (mode, hooks)"] = (
            module.training,
            len(module._forward_hooks),
            len(module._backward_hooks),
        )
    return about


def check_untouched(network: nn.Module, before: Fingerprint) -> None:
    """Raise ValueError where a network is no longer what its fingerprint says."""
    after = fingerprint(network)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise ValueError(
            "a probe must leave the network as it is, and this one changed "
            f"{', '.join(changed[:3])}{more}: work on copy.deepcopy(classifier)"
        )


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _total(tensor: Tensor) -> Tensor:
    """The sum of a tensor's bytes, four at a time where they come in fours."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8 if flat.element_size() % 4 else torch.int32).sum(dtype=torch.int64)
