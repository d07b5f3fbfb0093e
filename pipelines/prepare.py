"""All that is checked before any worker starts, and the list of work that comes of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from itertools import product
from typing import Any
from warnings import catch_warnings

import torch
from torch import Tensor, nn

from advcore.box import needs_box
from advcore.classifier import check_labels, first_logits, logits_of, mixes_rows
from advcore.jacobian import differentiate
from advcore.networks import NETWORKS
from advcore.probes import Comparison, Probe
from advcore.transforms import Transform
from pipelines import schema
from pipelines.fetch import anywhere
from pipelines.study import Study
from workers.actor import defining, work_key
from workers.code import own_code, unseen_imports
from workers.datasets import Dataset, batch, load
from workers.models import ModelSpec, build, content_hash
from workers.paths import local
from workers.refusal import USERS_ERRORS, Refused
from workers.shards import Shard, split
from workers.work import Other, Work


@dataclass(frozen=True)
class Prepared:
    """A study that can work: its samples, and as each model sees them; the hashes of its models, its id, its work by (model,
    probe), why a model's numbers may mislead, whatever the probe, and which of the user's modules import what no key holds."""

    study: Study
    dataset: Dataset
    seen: Mapping[str, Dataset]
    model_hashes: Mapping[str, str]
    identity: str
    works: Mapping[tuple[str, str], list[Work]]
    warnings: Mapping[str, Mapping[str, str]]
    unseen: Mapping[str, str]

    def all_works(self) -> list[Work]:
        """Every piece of work, model by model."""
        return [work for works in self.works.values() for work in works]


def prepare(study: Study, samples: Dataset | None = None) -> Prepared:
    """Load the data, unless they are the `samples` given, build each model once and send two images through it, let each probe see
    the shapes, name all work.

    Raises Refused for whatever cannot work.
    """
    study = _wrapped(study)
    dataset = samples or load(study.data)
    seen = {name: _through(dataset, study.transforms.get(name)) for name in study.models}
    for own in seen.values():
        for probe_name, probe in study.probes.items():
            check_box(f"probe {probe_name}", probe, own)
    partners = {name: _partners(name, probe, seen) for name, probe in study.probes.items()}
    out = local(study.run.out).absolute()
    models = {name: anywhere(spec, study.run.tracking_uri, out) for name, spec in study.models.items()}
    hashes = {name: content_hash(spec) for name, spec in models.items()}
    checked: dict[str, Checked] = {}
    for name, spec in models.items():
        checked[name] = check_model(f"model {name}", spec, seen[name])
        for probe_name, probe in study.probes.items():
            try:
                probe.validate(dataset.shape, checked[name].classes)
            except USERS_ERRORS as error:
                kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
                raise Refused(f"probe {probe_name}: {kind}{error}") from error
    shards = split(len(dataset), study.run.shard_size)
    known = {name: Other(name, spec, hashes[name]) for name, spec in models.items()}
    works = {
        (name, probe_name): _works(study, seen[name].digest, own, probe_name, shards, tuple(known[other] for other in others))
        for name, own in known.items()
        for probe_name, others in partners.items()
    }
    warnings = {name: own.warnings for name, own in checked.items()}
    unseen = unseen_imports(schema.unstructure(study))
    return Prepared(study, dataset, seen, hashes, _identity(study, works), works, warnings, unseen)


def _wrapped(study: Study) -> Study:
    """The study with its wrappers around its models."""
    models = {name: replace(spec, wrapper=study.wrappers.get(name, spec.wrapper)) for name, spec in study.models.items()}
    return replace(study, models=models, wrappers={})


def _through(dataset: Dataset, transform: Transform | None) -> Dataset:
    return dataset if transform is None else replace(dataset, transform=transform)


def check_box(name: str, holder: object, dataset: Dataset) -> None:
    """Raise Refused where a probe or an objective attacks in the box [0, 1] and the images are transformed, so not in it."""
    if dataset.transform is not None and needs_box(holder):
        raise Refused(
            f"{name} attacks in the box [0, 1], which images transformed by {dataset.transform!r} leave: take attacks with "
            "box: false (deepfool, say), or leave it or the transform out"
        )


def _partners(name: str, probe: Probe, seen: Mapping[str, Dataset]) -> tuple[str, ...]:
    """The models beside which a probe measures each; none for a probe that is no comparison. Raises Refused for names that the
    study lacks, and where two that are compared see other images."""
    if not isinstance(probe, Comparison):
        return ()
    others = tuple(probe.partners(tuple(seen)))
    for other in others:
        if other not in seen:
            raise Refused(f"probe {name} names the model {other!r}, which the study has not; models: {', '.join(seen)}")
    for model, other in product(seen, others):
        if seen[model].transform != seen[other].transform:
            raise Refused(
                f"probe {name} compares {model} with {other}, which see images transformed by {seen[model].transform!r} and "
                f"{seen[other].transform!r}: give both one transform in transforms, or leave one of them out"
            )
    return others


@dataclass(frozen=True)
class Checked:
    """What the first images tell of a model: its number of classes, and why its numbers may mislead, by the warnings' names."""

    classes: int
    warnings: Mapping[str, str]


def check_model(name: str, spec: ModelSpec, dataset: Dataset) -> Checked:
    """Build a model and send the first images through it. Raises Refused where they do not fit, or rows of a batch mix."""
    model = build(spec)
    some = batch(dataset, Shard(0, min(2, len(dataset)))).images
    try:
        logits = first_logits(model, some)
        check_labels(torch.as_tensor(dataset.labels), len(dataset), logits.shape[1])
        _check_rows(model, some)
        return Checked(logits.shape[1], _gradient_warnings(model, some))
    except USERS_ERRORS as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if spec.architecture in NETWORKS and not isinstance(error, ValueError):
            first += f"; take arguments: {json.dumps(fitting(spec, dataset))}"
        raise Refused(f"{name} does not fit images {dataset.shape} (channels, height, width): {first}") from error


def _check_rows(model: nn.Module, images: Tensor) -> None:
    """Raise ValueError where an image has other logits alone than beside another one, and that not by chance."""
    noise = torch.rand(images[:1].shape, generator=torch.Generator().manual_seed(0), dtype=images.dtype)
    pair = torch.cat([images[:1], noise])
    with torch.no_grad():
        once, again = logits_of(model, pair), logits_of(model, pair)
        by_chance = not torch.allclose(once, again, rtol=1e-3, atol=1e-3)
        if not by_chance and mixes_rows(model, pair, once):
            raise ValueError(
                "logits of an image alone differ from those beside another one, as by batch normalisation without running "
                "statistics (track_running_stats=False), so that rows would depend on shard_size: give it statistics"
            )


def _gradient_warnings(model: nn.Module, images: Tensor) -> dict[str, str]:
    """The warning `zero_gradients`, where the logits' gradients in the first images are exactly 0."""
    with catch_warnings(action="ignore"):
        gradient, _, _ = differentiate(model, images, lambda logits: logits.amax(1) - logits.amin(1))
    if gradient.any():
        return {}
    return {
        "zero_gradients": "the gradient of the logits is exactly 0 at the first samples (the network detaches, rounds, or is "
        "constant): attacks and curvatures that follow gradients see nothing; take square, or a differentiable stand-in"
    }


def fitting(spec: ModelSpec, dataset: Dataset) -> dict[str, Any]:
    """The arguments of a model for images of this size: its own, and of a network of ours those that it makes by the size."""
    channels, side, _ = dataset.shape
    factory = NETWORKS.get(spec.architecture)
    wanted = {} if factory is None else signature(factory).parameters
    sizes = {name: size for name, size in {"channels": channels, "side": side}.items() if name in wanted}
    return {**spec.arguments, **sizes}


def _identity(study: Study, works: Mapping[tuple[str, str], list[Work]]) -> str:
    """The study's id, 16 hexadecimal digits: the same name, rows to measure, names of models and probes, and claims."""
    claims = [schema.unstructure(study)["claims"]] if study.claims else []
    claims += filter(None, [own_code(claims)])
    keys = [[*names, *(work.key for work in own)] for names, own in works.items()]
    return hashlib.sha256(json.dumps([study.name, keys, *claims]).encode()).hexdigest()[:16]


def _works(
    study: Study, data_digest: str, own: Other, probe_name: str, shards: list[Shard], others: tuple[Other, ...]
) -> list[Work]:
    probe, seed, dtype = study.probes[probe_name], study.run.seed, study.run.dtype
    settings = defining(probe, schema.unstructure(study)["probes"][probe_name])
    sources = own_code(settings)
    return [
        Work(
            work_key(own.model_hash, data_digest, settings, shard, seed, dtype, others, sources),
            f"{own.name}/{probe_name}",
            own.model,
            own.model_hash,
            probe,
            shard,
            seed,
            dtype,
            study.transforms.get(own.name),
            others,
        )
        for shard in shards
    ]
