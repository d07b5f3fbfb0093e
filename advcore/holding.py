"""Hold a classifier still while it is measured."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from advcore.buffers import in_evaluation
from advcore.modules import modules_of, uncompiled


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Hold a network in evaluation mode inside the block; parameters keep their gradients.

    On exit each part is in its own mode again, also after an error.

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
def frozen(classifier: object, compiled: bool = False) -> Iterator[None]:
    """Hold a classifier still: evaluation mode, no gradients for its parameters.

    On exit all is as it was, also after an error.

    What `torch.compile` made runs as it was written, unless `compiled`: for training alone, whose
    batches have one size. Of a callable that is no `torch.nn.Module` the modules are held that are
    found behind it, see `advcore.modules.modules_of`; another one passes through.
    """
    modules = modules_of(classifier)
    if any(
        isinstance(part, _BatchNorm) and part.running_mean is None
        for module in modules
        for part in module.modules()
    ):
        warnings.warn(
            "the network normalises by the batch it sees (track_running_stats=False), in "
            "evaluation mode too: an image's logits "
            "depend on its neighbours, and so does what is measured",
            stacklevel=3,
        )
    gradients = [
        (parameter, parameter.requires_grad)
        for module in modules
        for parameter in module.parameters()
    ]
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(evaluating(module))
        if not compiled:
            stack.enter_context(uncompiled())
        try:
            for parameter, _ in gradients:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter, wanted in gradients:
                parameter.requires_grad_(wanted)
