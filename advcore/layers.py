"""Layers of a network by name, and what goes into them: the places at which a network is cut."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from advcore.classifier import Classifier, bare_network, logits_of
from advcore.modules import modules_of

INPUT = "input"
"""The name of the classifier's own input, before any normalisation inside it."""

FIRST, LAST = "first", "last"
"""The names of the input of the second layer with weights, and of that of the last one."""


def check_layers(layers: Sequence[str]) -> None:
    """Raise ValueError for names of layers that are none, or there twice."""
    if not layers or len(set(layers)) < len(layers) or not all(layers):
        raise ValueError(f"layers must be names, each once; got {', '.join(layers) or 'none'}")


def weighted_layers(classifier: Classifier) -> list[nn.Module]:
    """Return the convolutions and linear layers, in the order in which the network holds them."""
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    found: list[nn.Module] = [
        layer
        for module in modules_of(classifier)
        for layer in module.modules()
        if isinstance(layer, kinds)
    ]
    return list(dict.fromkeys(found))


def layer_inputs(
    classifier: Classifier, inputs: Tensor, layers: Sequence[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits `(B, K)` and what goes into each layer, `(B, *its shape)`, by name.

    A name is `input`, that of a module in the network (`features.3`, as its `named_modules` has
    it), or one that fits networks of any depth: `first` and `last` are the inputs of the second and
    of the last of the convolutions and linear layers, in the order in which the network holds them,
    so what the first and the last hidden layer make, behind their normalisation and activation.

    Where the inputs require gradients, the logits can be differentiated by what is returned.

    Raises ValueError for names that the network does not have, and for layers that a call does not
    reach once and with one tensor `(B, ...)`.
    """
    modules = _named(classifier, [name for name in layers if name != INPUT])
    with _listening(modules.values()) as heard:
        logits = logits_of(classifier, inputs)
    found = {INPUT: inputs}
    for name, module in modules.items():
        came = heard[module]
        if len(came) != 1:
            raise ValueError(
                f"layer {name!r} is called {len(came)} times for an input; expected once: name "
                "another module"
            )
        if not isinstance(came[0], Tensor) or len(came[0]) != len(inputs):
            raise ValueError(f"layer {name!r} does not get a tensor with a row for each sample")
        found[name] = came[0]
    return logits, {name: found[name] for name in layers}


def _named(classifier: Classifier, layers: Sequence[str]) -> dict[str, nn.Module]:
    """Return modules by the names that they are called by."""
    known: dict[str, nn.Module] = {}
    for module in modules_of(classifier):
        known = {**dict(bare_network(module).named_modules()), **known}
    weighted = weighted_layers(classifier)
    if len(weighted) > 1:
        known |= {FIRST: weighted[1], LAST: weighted[-1]}
    for name in layers:
        if name not in known:
            there = ", ".join(own for own in known if own) or "none that is seen"
            raise ValueError(f"the network has no layer {name!r}; it has {there}")
    return {name: known[name] for name in layers}


@contextmanager
def _listening(modules: Collection[nn.Module]) -> Iterator[dict[nn.Module, list[object]]]:
    """Hear what goes into modules while the classifier is called."""
    heard: dict[nn.Module, list[object]] = {module: [] for module in modules}

    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        heard[module].append(inputs[0] if inputs else None)
        # a module that changes its input in place changes a copy
        return tuple(own.clone() if isinstance(own, Tensor) else own for own in inputs)

    hooks = [module.register_forward_pre_hook(keep) for module in heard]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
