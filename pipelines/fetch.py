"""Checkpoints that lie in MLflow, as local files."""

import hashlib
from dataclasses import replace
from pathlib import Path

from pipelines.tracking import download
from workers.models import ModelSpec
from workers.refusal import Refused

SCHEMES = ("runs:/", "models:/")
"""How the name of a checkpoint in MLflow begins: an artifact of a run, or a version of a registered model."""


def fetched(spec: ModelSpec, tracking_uri: str | None, out: Path) -> ModelSpec:
    """The model with a local file in place of a checkpoint in MLflow, `runs:/ID/model` or `models:/NAME/VERSION`.

    Others are left as they are. The file goes to `out`/fetched. For the driver alone: workers get the file. Raises Refused where
    there is none in MLflow, or several.
    """
    name = spec.checkpoint
    if name is None or not name.startswith(SCHEMES):
        return spec
    came = download(name, out / "fetched" / hashlib.sha256(name.encode()).hexdigest()[:16], tracking_uri, out)
    files = [came] if came.is_file() else sorted(came.rglob("*.safetensors"))
    if len(files) != 1:
        raise Refused(f"checkpoint {name} must lead to one .safetensors file; it leads to {len(files)}: name the file itself")
    return replace(spec, checkpoint=str(files[0]))
