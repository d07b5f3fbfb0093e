"""Models as descriptions.

An architecture by name, a checkpoint by path, a hash of what both hold.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from advcore.classifier import Normalized
from advcore.networks.wrappers import WRAPPERS, Wrapper
from advcore.transforms import TRANSFORMS, Transform
from advcore.workers.adapters.networks import Library, library_of
from advcore.workers.architectures import make_network
from advcore.workers.checkpoints import load_checkpoint
from advcore.workers.code import source_hash
from advcore.workers.errors import InputError, refused
from advcore.workers.paths import expand_path
from advcore.workers.stores.s3_cache import local_file


@dataclass(frozen=True)
class ModelSpec:
    """A model that any machine can build.

    Attributes:
        architecture: name of a network, see `advcore list networks`, or
            `package.module:factory`, or a torchvision model, or `timm:NAME`, `robustbench:NAME`,
            `huggingface:PATH` (an image classifier, a local folder or a name), `ccexam:mnist` (a
            digit classifier; `usps`, `svhn`), or `efficientnet:lite0` (of ImageNet, 224 x 224).
            Those five bring their normalisation, unless `mean` and `std` say another.
        checkpoint: .safetensors file or a torch file that holds weights only, here or at
            s3://BUCKET/KEY; none means fresh weights from a fixed seed. A study or a recipe may
            also name one in MLflow, `runs:/ID/model` or `models:/NAME/VERSION`, which its driver
            fetches first.
        classes: number of logits, handed to the factory as `num_classes` if it takes that.
        arguments: further keyword arguments of the factory.
        mean: mean of each channel in pixel units [0, 1]; with `std`, normalisation becomes part of
            the model. Give both or none.
        std: standard deviation of each channel in pixel units [0, 1]. Give both or none.
        transform: transform of the data on which the model was trained, if they have one; `mean`
            and `std` are then those of the data before it, and the mean image is transformed, see
            `advcore.classifier.Normalized`. It is the model's own: a model keeps its normalisation
            on whatever data a study measures it.
        wrapper: wrapper around the whole, its normalisation included, when it is measured; none is
            trained.
        pretrained: take the weights and the normalisation that the library has for it, from its
            cache or the net. A checkpoint's weights replace them.
        seed: seed of fresh weights.
    """

    architecture: str
    checkpoint: str | None = None
    classes: int = 10
    arguments: dict[str, Any] = field(default_factory=dict)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    transform: Transform | None = None
    wrapper: Wrapper | None = None
    pretrained: bool = False
    seed: int = 0


def build(spec: ModelSpec, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Build the classifier of a spec on the CPU, from images in [0, 1] to logits.

    It is in evaluation mode, without parameter gradients.

    Its weights are of `dtype`, whatever the factory makes; what `torch.compile` makes of a network
    is left off.

    The global random state stays untouched. Raises InputError where the spec, its factory or its
    checkpoint do not work.
    """
    named, spec = spec.checkpoint, with_local_checkpoint(spec)
    _check(spec)
    network = _make(spec)
    spec = _with_library_normalisation(spec, network)
    network = getattr(network, "_orig_mod", network).to(
        dtype
    )  # torch.compile keeps what it wraps there
    if spec.checkpoint is not None:
        try:
            load_checkpoint(network, spec.checkpoint, spec.mean, spec.std)
        except InputError as error:
            raise InputError(str(error).replace(spec.checkpoint, str(named))) from error
    if spec.mean is not None and spec.std is not None:
        with refused(spec.architecture):
            network = Normalized(network, spec.mean, spec.std, spec.transform)
    if spec.wrapper is not None:
        network = spec.wrapper(network)
    return network.eval().requires_grad_(False)


def _make(spec: ModelSpec) -> nn.Module:
    return make_network(spec.architecture, spec.classes, spec.arguments, spec.pretrained, spec.seed)


def _with_library_normalisation(spec: ModelSpec, network: nn.Module) -> ModelSpec:
    """The spec with the mean and std that its library says, where it says none itself."""
    found = library_of(spec.architecture, spec.pretrained)
    if found is None or spec.mean is not None:
        return spec
    own, name = found
    normalisation = own.normalisation(name, network, spec.pretrained)
    return (
        spec
        if normalisation is None
        else replace(spec, mean=normalisation[0], std=normalisation[1])
    )


def _library_identity(spec: ModelSpec, own: Library) -> bytes:
    """Return what a library makes of a spec.

    That is its version, the normalisation, the layers, the weights.
    """
    network = _make(spec)
    known = _with_library_normalisation(spec, network)
    config = getattr(getattr(network, "network", None), "config", None)
    settings = {} if config is None else dict(config.to_dict())
    settings.pop("_name_or_path", None)  # where it lies does not count
    words = [own.version(), known.mean, known.std, repr(network), repr(sorted(settings.items()))]
    digest = hashlib.sha256(json.dumps(words).encode())
    for key, value in network.state_dict().items():
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def with_local_checkpoint(spec: ModelSpec) -> ModelSpec:
    """Return the spec with its checkpoint as a file on this machine.

    It is fetched if it lies on S3, which each machine does for itself.
    """
    if spec.checkpoint is None or not spec.checkpoint.startswith("s3://"):
        return spec
    return replace(spec, checkpoint=str(local_file(spec.checkpoint, "checkpoint")))


def content_hash(spec: ModelSpec) -> str:
    """Return the sha256 of what a spec means.

    It covers all its fields, with the bytes of the checkpoint in place of its path.

    For a `package.module:factory` the source is part of it, see `advcore.workers.code.source_hash`;
    for a network of a library that library's version and what it makes of the name, weights
    included.
    Raises InputError where the spec does not work, or where that module tells no source.
    """
    spec = with_local_checkpoint(spec)
    _check(spec)
    fields: tuple[Any, ...] = (spec.architecture, spec.classes, spec.arguments, spec.mean, spec.std)
    if spec.transform is not None:
        fields = (*fields, identity_of(spec.transform, TRANSFORMS))
    if spec.wrapper is not None:
        fields = (*fields, identity_of(spec.wrapper, WRAPPERS))
    if spec.seed:
        fields = (*fields, f"seed {spec.seed}")
    try:
        text = json.dumps(fields, sort_keys=True)
    except TypeError as error:
        raise InputError(
            f"arguments of {spec.architecture} must be numbers, words, lists and mappings; got "
            f"{spec.arguments!r}"
        ) from error
    digest = hashlib.sha256(text.encode())
    found = library_of(spec.architecture, spec.pretrained)
    if found is not None:
        digest.update(_library_identity(spec, found[0]))
    elif ":" in spec.architecture:
        digest.update(source_hash(spec.architecture).encode())
    if spec.checkpoint is not None:
        with expand_path(spec.checkpoint).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def transform_identity(transform: Transform) -> str:
    """Return the identity of a transform for hashes."""
    return identity_of(transform, TRANSFORMS)


def identity_of(value: object, known: Mapping[str, type]) -> str:
    """Return the identity of a seam's value for hashes.

    It is its class and settings, and the source of its module if it is none of the known.
    """
    cls = type(value)
    own = "" if cls in known.values() else f" {source_hash(f'{cls.__module__}:{cls.__qualname__}')}"
    return f"{cls.__module__}.{value!r}{own}"


def _check(spec: ModelSpec) -> None:
    if (spec.mean is None) != (spec.std is None):
        given, absent = ("mean", "std") if spec.std is None else ("std", "mean")
        raise InputError(
            f"{spec.architecture} has {given} without {absent}: give both (one number "
            "per channel) or none"
        )
    if spec.transform is not None and spec.mean is None:
        raise InputError(
            f"{spec.architecture} has transform without mean and std, which it applies to: "
            "give both, or leave it out here and to the data alone"
        )
    if spec.classes < 2:
        raise InputError(
            f"{spec.architecture} needs at least 2 classes; got classes: {spec.classes}"
        )
    if spec.checkpoint is not None and not os.path.isfile(expand_path(spec.checkpoint)):
        raise InputError(f"checkpoint {spec.checkpoint}: file not found; check the path")
