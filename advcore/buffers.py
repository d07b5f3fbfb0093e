"""Hold the buffers of networks as they are while a step is computed.

Above all these are the running statistics of batch normalisation.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, nn

_held: ContextVar[Mapping[nn.Module, Mapping[str, Tensor]] | None] = ContextVar(
    "held", default=None
)


@contextmanager
def held_buffers(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Hold the floating-point buffers of networks.

    Inside, `in_evaluation` shows copies of what they are now.

    Passes in training mode go on changing the buffers themselves. torch notices no change of the
    statistics that a pass in evaluation mode keeps for its backward pass; the copies are changed by
    nobody.
    """
    copies = {
        module: {
            name: buffer.clone()
            for name, buffer in module.named_buffers(recurse=False)
            if buffer.is_floating_point()
        }
        for network in networks
        for module in network.modules()
    }
    token = _held.set({module: buffers for module, buffers in copies.items() if buffers})
    try:
        yield
    finally:
        _held.reset(token)


@contextmanager
def in_evaluation(network: nn.Module) -> Iterator[None]:
    """Put the held buffers in place of a network's own; as they were on exit.

    Without `held_buffers` around it, change nothing.
    """
    own: list[tuple[nn.Module, str, Tensor | None]] = []
    held = _held.get() or {}
    try:
        for module in network.modules() if held else ():
            for name, buffer in held.get(module, {}).items():
                own.append((module, name, module._buffers[name]))
                module._buffers[name] = buffer  # a tenth of the time of setattr
        yield
    finally:
        for module, name, before in own:
            module._buffers[name] = before


@contextmanager
def copied_buffers(network: nn.Module) -> Iterator[None]:
    """Put copies in place of a network's buffers; what passes inside change is lost on exit."""
    own = [
        (module, name, buffer)
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        for module, name, buffer in own:
            module._buffers[name] = buffer.clone()
        yield
    finally:
        for module, name, buffer in own:
            module._buffers[name] = buffer
