"""Checkpoints as other processes and other machines find them."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.tracking import download
from workers.models import ModelSpec
from workers.paths import local
from workers.refusal import Refused
from workers.s3_store import S3Store
from workers.store import Store
from workers.work import Work

SCHEMES = ("runs:/", "models:/")
"""How the name of a checkpoint in MLflow begins: an artifact of a run, or a version of a registered model."""


def fetched(spec: ModelSpec, tracking_uri: str | None, out: Path) -> ModelSpec:
    """The model with a local file in place of a checkpoint in MLflow, `runs:/ID/model` or `models:/NAME/VERSION`.

    Others are left as they are. The file goes to `out`/fetched. For the driver alone. Raises Refused where there is none in MLflow,
    or several.
    """
    name = spec.checkpoint
    if name is None or not name.startswith(SCHEMES):
        return spec
    came = download(name, out / "fetched" / hashlib.sha256(name.encode()).hexdigest()[:16], tracking_uri, out)
    files = [came] if came.is_file() else sorted(came.rglob("*.safetensors"))
    if len(files) != 1:
        raise Refused(f"checkpoint {name} must lead to one .safetensors file; it leads to {len(files)}: name the file itself")
    return replace(spec, checkpoint=str(files[0]))


def anywhere(spec: ModelSpec, tracking_uri: str | None, out: Path) -> ModelSpec:
    """The model as a process in another folder, which knows no MLflow, can build it: fetched from there, and by its whole path.

    One at s3://BUCKET/KEY stays: each machine fetches it for itself.
    """
    spec = fetched(spec, tracking_uri, out)
    if spec.checkpoint is None or spec.checkpoint.startswith("s3://"):
        return spec
    return replace(spec, checkpoint=str(Path(spec.checkpoint).absolute()))


def portable(spec: ModelSpec, store: Store, known: dict[str, str] | None = None) -> ModelSpec:
    """The model as another machine can build it: where the store is on S3, a checkpoint of this machine is put into it.

    `known` remembers files that were put there, by their names.
    """
    name, known = spec.checkpoint, {} if known is None else known
    if name is None or name.startswith("s3://") or not isinstance(store, S3Store):
        return spec
    if name not in known:
        known[name] = store.keep(local(name))
    return replace(spec, checkpoint=known[name])


def carried(works: Sequence[Work], store: Store) -> list[Work]:
    """The works as other machines can do them, see `portable`."""
    known: dict[str, str] = {}
    return [
        replace(
            work,
            model=portable(work.model, store, known),
            others=tuple(replace(other, model=portable(other.model, store, known)) for other in work.others),
        )
        for work in works
    ]
