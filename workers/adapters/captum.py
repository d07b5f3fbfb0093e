"""captum's attributions (Kokhlikyan et al. 2020) as ours."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from advcore.classifier import Classifier, bare_network, frozen, full_precision, take_rows
from advcore.explain.attribution import AttributionMaps, check_explained
from advcore.randomness import Randomness
from advcore.workers.adapters.catalogue import check_settings, choose, library, parameters
from advcore.workers.adapters.peer import seed_of, seeded
from advcore.workers.errors import InputError

OURS = {"forward_func", "model", "layer", "inputs", "target", "return_convergence_delta"}
"""Parameters of captum's that are not settings: what they are follows from the call."""


@dataclass(frozen=True)
class Captum:
    """One of captum's attributions, where captum is installed; it explains the label's logit.

    Its residual and steps are not known: NaN and 0. Noise is drawn from the global generators,
    seeded by the seed and the samples; a map depends on batch mates where the method draws noise,
    unless `one_by_one`. A map of a layer is summed over its channels and enlarged to the picture.

    Attributes:
        method: name of the class in `captum.attr`: Occlusion, DeepLift, LayerGradCam, ...
        settings: settings of the class and of its `attribute`, as `{sliding_window_shapes: [1, 3,
            3]}`.
        layer: name of the module that a method of layers looks at, as in the network.
        one_by_one: make each sample a batch of its own.
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    layer: str | None = None
    one_by_one: bool = False

    def __post_init__(self) -> None:
        found = self._class()
        known = (parameters(found) | parameters(found.attribute)) - OURS - {"self"}
        check_settings("captum", self.method, self.settings, known)
        missing = (_required(found) | _required(found.attribute)) & known - set(self.settings)
        if missing:
            raise InputError(f"captum: {self.method} needs the settings {', '.join(missing)}")
        if ("layer" in parameters(found)) != (self.layer is not None):
            raise InputError(
                f"captum: {self.method} "
                + (
                    "looks at a layer: give layer, its name in the network"
                    if self.layer is None
                    else f"looks at no layer; got layer {self.layer!r}"
                )
            )

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor,
        randomness: Randomness | None = None,
    ) -> AttributionMaps:
        check_explained(classifier, inputs, labels)
        index = torch.arange(len(inputs), device=inputs.device)
        source = Randomness(0, index) if randomness is None else randomness
        groups = index.split(1) if self.one_by_one else [index]
        with full_precision(), frozen(classifier), torch.enable_grad():
            maps = [
                self._maps(take_rows(classifier, some), inputs[some], labels[some], seed)
                for some in groups
                for seed in [seed_of(source.take(some))]
            ]
        return AttributionMaps.of_gradients(torch.cat(maps), steps=0)

    def _class(self) -> Any:
        """The class of captum's; InputError where there is none of that name."""
        attr = library("captum.attr", "captum")
        known = {name: own for name in attr.__all__ if _takes_a_network(own := getattr(attr, name))}
        return choose("captum", self.method, {"captum": known}, "attribution")

    def _maps(self, classifier: Classifier, inputs: Tensor, labels: Tensor, seed: int) -> Tensor:
        make = self._class()
        network = classifier if isinstance(classifier, nn.Module) else _Module(classifier)
        settings = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.settings.items()
        }
        own = {name: value for name, value in settings.items() if name in parameters(make)}
        more = {name: value for name, value in settings.items() if name not in own}
        layer = () if self.layer is None else (self._module(network, self.layer),)
        with seeded(seed, inputs.device):
            found = make(network, *layer, **own).attribute(inputs.clone(), target=labels, **more)
        return found.detach().to(inputs) if self.layer is None else _enlarged(found, inputs)

    def _module(self, network: nn.Module, name: str) -> nn.Module:
        modules = dict(bare_network(network).named_modules())
        if name not in modules:
            raise InputError(
                f"captum: the network has no module {name!r}; it has "
                f"{', '.join(filter(None, modules))}"
            )
        return modules[name]


class _Module(nn.Module):
    """A callable as the module that captum wants."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Tensor) -> Tensor:
        return self.classifier(inputs)


def _takes_a_network(found: Any) -> bool:
    """True for an attribution of inputs that needs a network, a layer perhaps, and nothing else."""
    attribute = getattr(found, "attribute", None)
    if not inspect.isclass(found) or not callable(attribute):
        return False
    if "neuron_selector" in parameters(attribute):
        return False
    needed = _required(found)
    return bool(needed) and needed <= {"forward_func", "model", "layer"}


def _required(function: Callable[..., object]) -> set[str]:
    """The names of what a function or a class takes and has no default for."""
    return {
        name
        for name, value in inspect.signature(function).parameters.items()
        if value.default is inspect.Parameter.empty and name in parameters(function)
    }


def _enlarged(found: Tensor, inputs: Tensor) -> Tensor:
    """Maps of a layer `(B, c, h, w)` as those of pictures `(B, C, H, W)`, with equal channels."""
    if found.dim() != 4 or inputs.dim() != 4:
        raise ValueError(
            "a map of a layer is enlarged where the layer has channels, height and width, as "
            f"pictures do; got {tuple(found.shape)} for inputs {tuple(inputs.shape)}"
        )
    summed = found.detach().sum(1, keepdim=True)
    large = functional.interpolate(summed, inputs.shape[2:], mode="bilinear")
    return (large / inputs.shape[1]).expand_as(inputs).to(inputs)
