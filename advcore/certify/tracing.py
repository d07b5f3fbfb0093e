"""The layers that a classifier calls, in their order, as bounds need them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from advcore.certify.layers import Affine, Relaxed
from advcore.certify.traced_layers import Call, layer_of
from advcore.classifier import Classifier, PerSample

COPIES = 2
"""Rows of the batch that is traced: a layer that mixes rows has another number of them."""

ASKED = {"dim", "size", "len", "numel", "is_floating_point", "shape", "ndim", "dtype", "device"}
"""Names of what may be asked of a tensor, for it does not depend on its values."""


@dataclass(frozen=True, eq=False)
class Step:
    """A layer with the places of its inputs among all steps; place 0 is the classifier's input."""

    layer: Affine | Relaxed
    parents: tuple[int, ...]


def trace(classifier: Classifier, images: Tensor) -> tuple[Step, ...]:
    """Return the steps of a classifier on images `(B, *shape)`; the last gives its logits.

    The step at index i has place i + 1. Weights stay those of the classifier, so that bounds can be
    differentiated.

    Raises ValueError, which names it, for a function that no bounds are known of.
    """
    if isinstance(classifier, PerSample):
        raise ValueError(
            "bounds need one classifier for all samples; this one holds something for each"
        )
    differentiable = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.set_grad_enabled(differentiable):  # to count changes
        sample = images.detach()[:1].expand(COPIES, *images.shape[1:]).clone()
        start = _Traced.of(sample, [], 0)
        logits = classifier(start)
    if not isinstance(logits, _Traced) or logits.place != len(start.steps):
        raise ValueError(
            "bounds need a classifier whose logits are its last layer's, by torch's functions; "
            f"this one gives a {type(logits).__name__}"
        )
    return tuple(start.steps)


class _Traced(Tensor):
    """A tensor that notes each function of torch that is called on it."""

    steps: list[Step]
    place: int
    version: int

    @classmethod
    def of(cls, values: Tensor, steps: list[Step], place: int) -> "_Traced":
        version = values._version  # which all views of a tensor share
        traced = values.as_subclass(cls)
        traced.steps, traced.place, traced.version = steps, place, version
        return traced

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        places = tuple(at for at, value in enumerate(args) if isinstance(value, _Traced))
        with torch._C.DisableTorchFunctionSubclass():
            changed = any(args[at]._version != args[at].version for at in places)
            result = func(*args, **(kwargs or {}))
            call = Call(func, args, kwargs or {}, result, places)
            if call.name in ASKED and not isinstance(result, Tensor):
                return result
            if changed:
                raise ValueError(
                    f"bounds cannot follow the input of {call.name!r}: a call on another view of "
                    "it changed it in place; go on with what that call returns"
                )
            if not places or any(isinstance(value, _Traced) for value in call.keywords.values()):
                raise ValueError(f"bounds need the inputs of {call.name!r} by position")
            layer = layer_of(call)
            if not isinstance(result, Tensor) or result.shape[:1] != (COPIES,):
                raise ValueError(f"bounds need samples kept apart, which {call.name!r} does not")
            inputs: list[_Traced] = [args[at] for at in places]
            steps = inputs[0].steps
            if layer is None:
                return cls.of(result, steps, inputs[0].place)
            steps.append(Step(layer, tuple(value.place for value in inputs)))
            in_place = result is inputs[0]
            if in_place:
                inputs[0].place, inputs[0].version = len(steps), inputs[0]._version
            return inputs[0] if in_place else cls.of(result, steps, len(steps))
