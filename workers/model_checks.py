"""Checks of a model before any work: that it fits the images, and what may mislead in its rows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from math import prod
from typing import Any
from warnings import catch_warnings

import torch
from torch import Tensor, nn

from advcore.attacks.attack import Attack, OverThreat, norm_of, wrapped
from advcore.box import attacks_of, needs_box
from advcore.classifier import check_labels, first_logits, logits_of, mixes_rows
from advcore.logit_gradients import differentiate
from advcore.networks import NETWORKS
from advcore.probes import ReadsLayers
from advcore.table_rules import OfTable, check_rows
from advcore.threats import ThreatModel
from advcore.threats.region import OfFit
from advcore.workers.datasets import Dataset, batch
from advcore.workers.datasets.sizes import inputs_in_words, is_picture
from advcore.workers.devices import threads_set
from advcore.workers.errors import USERS_ERRORS, InputError, named
from advcore.workers.models import ModelSpec, build
from advcore.workers.shards import Shard


def check_box(name: str, holder: object, dataset: Dataset) -> None:
    """Raise InputError if a probe or objective attacks in the box, and images are not in it.

    The box is [0, 1]; most transforms take images out of it. An attack that counts pixels needs
    pictures.
    """
    counts = any(norm_of(attack) == "pixels" for attack in attacks_of(holder))
    if counts and not is_picture(dataset.shape):
        raise InputError(
            f"{name} counts changed pixels, which needs pictures (channels, height, width); got "
            f"{inputs_in_words(dataset.shape)}: take norm: l0"
        )
    if dataset.in_box or not needs_box(holder):
        return
    if dataset.transform is None:
        raise InputError(
            f"{name} attacks in the box [0, 1], which the inputs of this data set leave, as it has "
            "no box, or is made of others: take attacks with box: false (deepfool, say), or data "
            "in the box"
        )
    raise InputError(
        f"{name} attacks in the box [0, 1], which images transformed by {dataset.transform!r} "
        "leave: take attacks with box: false (deepfool, say), or leave it or the transform out"
    )


@dataclass(frozen=True)
class Checked:
    """The number of a model's classes, and warnings by name, from its first images."""

    classes: int
    warnings: Mapping[str, str]


@threads_set(1)  # others cost more than they give on two images
def check_model(name: str, spec: ModelSpec, dataset: Dataset) -> Checked:
    """Build a model and send the first images through it.

    Raises InputError where they do not fit, or where the rows of a batch influence each other.
    """
    with named(name):
        model = build(spec)
    some = batch(dataset, Shard(0, min(2, len(dataset)))).inputs
    try:
        logits = first_logits(model, some)
        check_labels(torch.as_tensor(dataset.labels), len(dataset), logits.shape[1])
        _check_rows(model, some)
        return Checked(logits.shape[1], _gradient_warnings(model, some))
    except USERS_ERRORS as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if spec.architecture in NETWORKS and not isinstance(error, ValueError):
            first += f"; take arguments: {json.dumps(fitting(spec, dataset))}"
        raise InputError(
            f"{name} does not fit {inputs_in_words(dataset.shape)}: {first}"
        ) from error


@threads_set(1)
def check_layers(probe: ReadsLayers, spec: ModelSpec, dataset: Dataset) -> None:
    """Raise ValueError where a probe cannot read the layers of a model."""
    probe.check_layers(build(spec), batch(dataset, Shard(0, 1)).inputs)


@threads_set(1)
def check_threats(holder: object, spec: ModelSpec, dataset: Dataset) -> None:
    """Raise ValueError where a threat model of an attack cannot change the first inputs.

    `holder` is a probe, a derivation or a term. What is of a table needs rows of one, each of
    which is looked at. Of stand-ins, whose values are others, nothing is said.
    """
    threats = list(threats_of(holder))
    for own in (holder, *threats):
        if isinstance(own, OfTable) and dataset.is_made and dataset.shape == (own.schema.features,):
            rows = batch(dataset, Shard(0, len(dataset)))
            check_rows(own.schema, rows.inputs, rows.indices)
    if threats and dataset.is_made:
        model, some = build(spec), batch(dataset, Shard(0, min(2, len(dataset)))).inputs
        for threat in threats:
            if isinstance(threat, OfFit):
                threat.check(tuple(some.shape[1:]))
            else:
                threat.around(some, some.new_ones(len(some)), model)


def threats_of(holder: object) -> Iterator[ThreatModel]:
    """Yield the threat models of the attacks that a probe, or what else holds some, makes."""
    for attack in attacks_of(holder):
        yield from _threats_in(attack)


def _threats_in(attack: Attack) -> Iterator[ThreatModel]:
    if isinstance(attack, OverThreat) and attack.threat is not None:
        yield attack.threat
    for part in wrapped(attack) or attacks_of(attack):
        yield from _threats_in(part)


def _check_rows(model: nn.Module, images: Tensor) -> None:
    """Raise ValueError if an image has other logits alone than beside another image.

    Differences by rounding are allowed.
    """
    noise = torch.rand(
        images[:1].shape, generator=torch.Generator().manual_seed(0), dtype=images.dtype
    )
    pair = torch.cat([images[:1], noise])
    with torch.no_grad():
        once, again = logits_of(model, pair), logits_of(model, pair)
        by_chance = not torch.allclose(once, again, rtol=1e-3, atol=1e-3)
        if not by_chance and mixes_rows(model, pair, once):
            raise ValueError(
                "logits of an image alone differ from those beside another one, as by batch "
                "normalisation without running statistics (track_running_stats=False), so that "
                "rows would depend on shard_size: give it statistics"
            )


def _gradient_warnings(model: nn.Module, images: Tensor) -> dict[str, str]:
    """Return the warning `zero_gradients` if the logits' gradients are exactly 0.

    They are taken at the first images.
    """
    with catch_warnings(action="ignore"):
        gradient, _, _ = differentiate(
            model, images, lambda logits: logits.amax(1) - logits.amin(1)
        )
    if gradient.any():
        return {}
    return {
        "zero_gradients": (
            "the gradient of the logits is exactly 0 at the first samples (the network "
            "detaches its input, rounds, or is constant): attacks that follow gradients find "
            "nothing, and curvature is 0; take the attack square, or a differentiable stand-in"
        )
    }


def fitting(spec: ModelSpec, dataset: Dataset) -> dict[str, Any]:
    """Return the model's arguments for images of this size.

    Built-in networks get the arguments that depend on the size. Inputs that are no pictures are so
    many channels of one pixel, as the perceptron takes them; networks of words get the length of
    one vector.
    """
    channels, side = dataset.shape[:2] if is_picture(dataset.shape) else (prod(dataset.shape), 1)
    factory = NETWORKS.get(spec.architecture)
    wanted = {} if factory is None else signature(factory).parameters
    known = {"channels": channels, "side": side, "numbers": dataset.shape[-1]}
    sizes = {name: size for name, size in known.items() if name in wanted}
    return {**spec.arguments, **sizes}
