"""Batch normalisation folded into the convolutions before it.

The classifier is the same, in fewer passes over its activations.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from advcore.classifier import Classifier, logits_of

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]

DECIDING = frozenset(
    {Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.item, Tensor.tolist, Tensor.numpy}
)
"""Functions that make Python's numbers of tensors."""


@contextmanager
def folded(classifier: Classifier, image: Tensor) -> Iterator[None]:
    """Fold batch normalisations into the convolutions before them, inside the block.

    The classifier must be held still (`frozen`).

    Which these are is seen in a trace of the forward pass of `image` `(1, C, H, W)`: a convolution
    whose output one function alone reads, that of its normalisation. A module that runs twice, or
    that has hooks or another class than torch's own, is left alone, and so is all of a network that
    decides by its activations what to compute, which may be other functions for other images. As a
    second look, so is a pair that changes the logits of `image` by more than half the digits of
    their type. Logits change by roundings, and on exit all is as it was. On a CPU the weights lie
    channels last meanwhile. A callable that is no `torch.nn.Module` passes through.
    """
    pairs: Sequence[Pair] = ()
    if isinstance(classifier, nn.Module) and any(
        type(module) is nn.BatchNorm2d for module in classifier.modules()
    ):
        before, pairs = _watch(classifier, image)
        if not _harmless(classifier, image, before, pairs):
            pairs = [pair for pair in pairs if _harmless(classifier, image, before, [pair])]
            pairs = pairs if _harmless(classifier, image, before, pairs) else ()
    with _replaced(pairs):
        yield


def _harmless(classifier: nn.Module, image: Tensor, before: Tensor, pairs: Sequence[Pair]) -> bool:
    """Return whether the logits of an image stay as before."""
    with _replaced(pairs):
        change = (_logits(classifier, image) - before).abs()
    return bool((change <= before.abs().amax() * torch.finfo(before.dtype).eps ** 0.5).all())


def _logits(classifier: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = logits_of(classifier, image)
    return logits


class _Readers(TorchFunctionMode):
    """Counts, in a forward pass, the functions that read the outputs of convolutions.

    Attributes:
        outputs: of each convolution, by the identity of the tensor: module, tensor, version.
            Tensors are kept, or another could take the place of one.
        counts: functions that compute a tensor from it.
        decides: whether a tensor became a number of Python's, which may decide what is computed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[int, tuple[nn.Conv2d, Tensor, int]] = {}
        self.counts: Counter[nn.Module] = Counter()
        self.decides = False

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        result = function(*arguments, **(keywords or {}))
        self.decides |= function in DECIDING
        if any(
            isinstance(leaf, Tensor) for leaf in tree_leaves(result)
        ):  # its shape may be read by anybody
            for module in {self.of(leaf) for leaf in tree_leaves((arguments, keywords))} - {None}:
                self.counts[module] += 1  # type: ignore[index]
        return result

    def of(self, value: object) -> nn.Conv2d | None:
        """The convolution whose output a value is."""
        module, output, _ = self.outputs.get(id(value), (None, None, 0))
        return module if output is value else None


def _watch(classifier: nn.Module, image: Tensor) -> tuple[Tensor, list[Pair]]:
    """Return the logits of an image and the foldable pairs of modules.

    A pair is a convolution and the normalisation that follows it on the way to the logits.
    """
    runs: Counter[nn.Module] = Counter()
    readers, pairs = _Readers(), list[Pair]()

    def leaves(module: Any, arguments: Any, output: Tensor) -> None:
        runs[module] += 1
        readers.outputs[id(output)] = (module, output, output._version)

    def enters(module: Any, arguments: tuple[Tensor, ...]) -> None:
        runs[module] += 1
        conv = readers.of(arguments[0])
        if conv is not None and arguments[0]._version == readers.outputs[id(arguments[0])][2]:
            pairs.append((conv, module))

    plain = [
        module
        for module in classifier.modules()
        if not module._forward_hooks and not module._forward_pre_hooks
    ]
    handles = [
        module.register_forward_hook(leaves) for module in plain if type(module) is nn.Conv2d
    ]
    for module in plain:
        if (
            type(module) is nn.BatchNorm2d
            and module.running_mean is not None
            and not module.training
        ):
            handles.append(module.register_forward_pre_hook(enters))
    try:
        with readers:
            logits = _logits(classifier, image)
    finally:
        for handle in handles:
            handle.remove()
    once = [
        (conv, norm)
        for conv, norm in pairs
        if runs[conv] == runs[norm] == readers.counts[conv] == 1
    ]
    return logits, [] if readers.decides else once


@contextmanager
def _replaced(pairs: Sequence[Pair]) -> Iterator[None]:
    """Convolutions with folded weights, normalisations that hand on what they get."""
    kept: list[tuple[nn.Conv2d, Any, Any]] = [(conv, conv.weight, conv.bias) for conv, _ in pairs]
    try:
        for conv, norm in pairs:
            weight, bias = _fused(conv, norm)
            if (
                weight.device.type == "cpu"
            ):  # so a convolution of many images takes up to a quarter less time
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
            conv.weight, conv.bias = weight, bias
            norm.forward = _hand_on  # type: ignore[method-assign, assignment]
        yield
    finally:
        for conv, weight, bias in kept:
            conv.weight, conv.bias = weight, bias
        for _, norm in pairs:
            norm.__dict__.pop("forward", None)


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[nn.Parameter, nn.Parameter]:
    mean, variance = cast(
        tuple[Tensor, Tensor], (norm.running_mean, norm.running_var)
    )  # `_watch` has seen to it
    return fuse_conv_bn_weights(
        conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
    )


def _hand_on(images: Tensor) -> Tensor:
    return images
