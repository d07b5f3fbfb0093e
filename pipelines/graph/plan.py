"""The checks before any worker starts, and the list of tasks."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.checkpoints import resolve_checkpoint
from advcore.probes import Comparison, Probe
from advcore.transforms import Transform
from advcore.workers.code import own_code, unseen_imports
from advcore.workers.datasets import Dataset, load
from advcore.workers.errors import USERS_ERRORS, InputError, named
from advcore.workers.keys import settings_that_define_rows, work_key
from advcore.workers.model_checks import Checked, check_box, check_model
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.paths import expand_path
from advcore.workers.shards import Shard, split
from advcore.workers.tasks import Other, Task


@dataclass(frozen=True)
class Prepared:
    """A study that passed all checks, with its data, hashes and tasks.

    `seen` is the data set as each model sees it, `works` the tasks by (model, probe), `warnings`
    why a model's numbers may mislead whatever the probe, `unseen` the user's modules with imports
    that no cache key covers.
    """

    study: Study
    dataset: Dataset
    seen: Mapping[str, Dataset]
    model_hashes: Mapping[str, str]
    identity: str
    works: Mapping[tuple[str, str], list[Task]]
    warnings: Mapping[str, Mapping[str, str]]
    unseen: Mapping[str, str]

    def all_works(self) -> list[Task]:
        """Return every task, model by model."""
        return [work for works in self.works.values() for work in works]


def prepare(study: Study, samples: Dataset | None = None) -> Prepared:
    """Load the data, check models and probes on two images, and list all tasks.

    `samples` stand in for the data set.

    Raises InputError for whatever cannot work.
    """
    study = _wrapped(study)
    dataset = samples or load(study.data)
    seen = {name: _through(dataset, study.transforms.get(name)) for name in study.models}
    for own in seen.values():
        for probe_name, probe in study.probes.items():
            check_box(f"probe {probe_name}", probe, own)
    partners = {name: _partners(name, probe, seen) for name, probe in study.probes.items()}
    out = expand_path(study.run.out).absolute()
    models, hashes = dict[str, ModelSpec](), dict[str, str]()
    for name, spec in study.models.items():
        with named(f"model {name}"):
            models[name] = resolve_checkpoint(spec, study.run.tracking_uri, out)
            hashes[name] = content_hash(models[name])
    checked: dict[str, Checked] = {}
    for name, spec in models.items():
        checked[name] = check_model(f"model {name}", spec, seen[name])
        for probe_name, probe in study.probes.items():
            try:
                probe.validate(dataset.shape, checked[name].classes)
            except USERS_ERRORS as error:
                kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
                raise InputError(f"probe {probe_name}: {kind}{error}") from error
    shards = split(len(dataset), study.run.shard_size)
    known = {name: Other(name, spec, hashes[name]) for name, spec in models.items()}
    works = {
        (name, probe_name): _works(
            study,
            seen[name].digest,
            own,
            probe_name,
            shards,
            tuple(known[other] for other in others),
        )
        for name, own in known.items()
        for probe_name, others in partners.items()
    }
    warnings = {name: own.warnings for name, own in checked.items()}
    unseen = unseen_imports(schema.unstructure(study))
    return Prepared(study, dataset, seen, hashes, _identity(study, works), works, warnings, unseen)


def _wrapped(study: Study) -> Study:
    """Return the study with its wrappers moved into its models."""
    models = {
        name: replace(spec, wrapper=study.wrappers.get(name, spec.wrapper))
        for name, spec in study.models.items()
    }
    return replace(study, models=models, wrappers={})


def _through(dataset: Dataset, transform: Transform | None) -> Dataset:
    return dataset if transform is None else replace(dataset, transform=transform)


def _partners(name: str, probe: Probe, seen: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Return the models that a comparison measures beside each model; else none.

    Raises InputError for names that the study lacks, and for two models that see different images.
    """
    if not isinstance(probe, Comparison):
        return ()
    others = tuple(probe.partners(tuple(seen)))
    for other in others:
        if other not in seen:
            raise InputError(
                f"probe {name} names the model {other!r}, which is not in the study; models: "
                f"{', '.join(seen)}"
            )
    for model, other in product(seen, others):
        if seen[model].transform != seen[other].transform:
            raise InputError(
                f"probe {name} compares {model} with {other}, which see images transformed by "
                f"{seen[model].transform!r} and {seen[other].transform!r}: give both one transform "
                "in transforms, or leave one of them out"
            )
    return others


def _identity(study: Study, works: Mapping[tuple[str, str], list[Task]]) -> str:
    """Return the study's id, 16 hexadecimal digits.

    It depends on the name, the rows' keys, the names of models and probes, and the claims.
    """
    claims = [schema.unstructure(study)["claims"]] if study.claims else []
    claims += filter(None, [own_code(claims)])
    keys = [[*names, *(work.key for work in own)] for names, own in works.items()]
    return hashlib.sha256(json.dumps([study.name, keys, *claims]).encode()).hexdigest()[:16]


def _works(
    study: Study,
    data_digest: str,
    own: Other,
    probe_name: str,
    shards: list[Shard],
    others: tuple[Other, ...],
) -> list[Task]:
    probe, seed, dtype = study.probes[probe_name], study.run.seed, study.run.dtype
    settings = settings_that_define_rows(probe, schema.unstructure(study)["probes"][probe_name])
    sources = own_code(settings)
    return [
        Task(
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
