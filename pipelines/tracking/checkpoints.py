"""Checkpoints made available to other processes and other machines."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from advcore.pipelines.tracking.tracker import download
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec
from advcore.workers.paths import expand_path
from advcore.workers.stores.s3_store import S3Store
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Task

SCHEMES = ("runs:/", "models:/")
"""Beginnings of the names of checkpoints in MLflow: an artifact of a run, or a version of a
registered model."""


def download_checkpoint(spec: ModelSpec, tracking_uri: str | None, out: Path) -> ModelSpec:
    """Return the model with a local file in place of an MLflow checkpoint.

    Such a checkpoint is `runs:/ID/model` or `models:/NAME/VERSION`.

    Others are left as they are. The file goes to `out`/fetched. For the driver alone. Raises
    InputError where there is none in MLflow, or several.
    """
    name = spec.checkpoint
    if name is None or not name.startswith(SCHEMES):
        return spec
    came = download(
        name, out / "fetched" / hashlib.sha256(name.encode()).hexdigest()[:16], tracking_uri, out
    )
    files = [came] if came.is_file() else sorted(came.rglob("*.safetensors"))
    if len(files) != 1:
        raise InputError(
            f"checkpoint {name} must lead to one .safetensors file; it leads to {len(files)}: "
            "name the file itself"
        )
    return replace(spec, checkpoint=str(files[0]))


def resolve_checkpoint(spec: ModelSpec, tracking_uri: str | None, out: Path) -> ModelSpec:
    """Return the model as a process in another folder can build it.

    MLflow checkpoints are downloaded and paths made absolute.

    One at s3://BUCKET/KEY stays: each machine fetches it for itself.
    """
    spec = download_checkpoint(spec, tracking_uri, out)
    if spec.checkpoint is None or spec.checkpoint.startswith("s3://"):
        return spec
    return replace(spec, checkpoint=str(Path(spec.checkpoint).absolute()))


def upload_checkpoint(
    spec: ModelSpec, store: Store, known: dict[str, str] | None = None
) -> ModelSpec:
    """Return the model as another machine can build it.

    Where the store is on S3, a local checkpoint is uploaded to it.

    `known` remembers files that were put there, by their names.
    """
    name, known = spec.checkpoint, {} if known is None else known
    if name is None or name.startswith("s3://") or not isinstance(store, S3Store):
        return spec
    if name not in known:
        known[name] = store.keep(expand_path(name))
    return replace(spec, checkpoint=known[name])


def upload_checkpoints(tasks: Sequence[Task], store: Store) -> list[Task]:
    """Return the tasks as other machines can do them, see `upload_checkpoint`."""
    known: dict[str, str] = {}
    return [
        replace(
            task,
            model=upload_checkpoint(task.model, store, known),
            others=tuple(
                replace(other, model=upload_checkpoint(other.model, store, known))
                for other in task.others
            ),
        )
        for task in tasks
    ]
