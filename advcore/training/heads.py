"""The last layer of a network: how it is found, and made anew."""

import torch
from torch import Tensor, nn

from advcore.classifier import evaluating, logits_of
from advcore.training.freezing import bare_network


def find_head(network: nn.Module, images: Tensor) -> str:
    """Return the name of the last layer, without normalisation around the network.

    It is the last linear layer or 1x1 convolution, in the order of the modules, whose output is the
    logits of `images` `(B, C, H, W)`, number by number. Raises ValueError where there is none.
    """
    bare, outputs = bare_network(network), dict[str, Tensor]()

    def note(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            outputs[name] = output.flatten(1)

        return module.register_forward_hook(keep)

    candidates = [name for name, module in bare.named_modules() if _may_be_head(module)]
    hooks = [note(name, bare.get_submodule(name)) for name in candidates]
    try:
        with torch.no_grad(), evaluating(network):
            logits = logits_of(network, images)
    finally:
        for hook in hooks:
            hook.remove()
    found = [
        name
        for name in candidates
        if name in outputs and torch.equal(outputs[name].to(logits), logits)
    ]
    if not found:
        raise ValueError(
            "expected a network whose logits are the output of a linear layer or a 1x1 "
            f"convolution; those of this one are the output of none of its {len(candidates)}"
        )
    return found[-1]


def _may_be_head(module: nn.Module) -> bool:
    pointwise = isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    return isinstance(module, nn.Linear) or pointwise


def renew(network: nn.Module, name: str, seed: int) -> None:
    """Draw the first weights of a layer anew, in place, by torch's rule for its kind.

    The global random state is left as it was.
    """
    layer = bare_network(network).get_submodule(name)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        layer.reset_parameters()  # type: ignore[operator]
