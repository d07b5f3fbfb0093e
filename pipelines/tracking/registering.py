"""Trained networks and data sets as MLflow lists them: registered models, inputs of runs."""

import json
import tempfile
from pathlib import Path
from typing import Any

from advcore.pipelines.tracking.card import card_of, model_description
from advcore.pipelines.tracking.client import Client
from advcore.pipelines.tracking.limits import DIGEST, TAG, cut
from advcore.pipelines.tracking.packing import pack
from advcore.pipelines.tracking.record import DatasetInput, Model
from advcore.workers.redaction import without_secrets

ALIAS = "newest"
"""The alias of the version of a registered model that was made last."""

MODEL = "model"
"""Place of a run's network among its artifacts."""


def register_model(client: Client, run: str, place: str, model: Model) -> None:
    """Store the network among the files of `run`, and make a version of its registered model.

    `place` is the address of the run's files. A version of the run that is there already is left.
    """
    versions = client.ask("search_model_versions", f"run_id = '{run}'")
    if any(version.name == model.name for version in versions):
        return
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / MODEL
        pack(packed, model.weights, model.about, model.shape, model.classes)
        client.send(place, "log_artifacts", run, str(packed), MODEL)
    if not client.ask("search_registered_models", f"name = '{model.name}'"):
        about = f"Networks trained by advcore as {model.name!r}."
        client.ask("create_registered_model", model.name, {"advcore": "model"}, about)
    known = json.loads(model.about.read_text())
    card = card_of(model.weights, known)
    made = client.ask(
        "create_model_version",
        model.name,
        f"runs:/{run}/{MODEL}",
        run,
        {tag: cut(word, TAG) for tag, word in card.items()},
        description=cut(model_description(known, card), TAG),
    )
    client.ask("set_registered_model_alias", model.name, ALIAS, made.version)


def dataset_entity(data: DatasetInput) -> Any:
    """Return the data set as MLflow's own entity, with its use as a tag."""
    from mlflow import entities

    shape = list(data.shape)
    dataset = entities.Dataset(
        data.name,
        data.digest[:DIGEST],
        "advcore",
        json.dumps({"uri": without_secrets(data.source)}),
        json.dumps({"shape": shape}),
        json.dumps({"num_rows": data.rows, "features_shape": [data.rows, *shape]}),
    )
    use = entities.InputTag("mlflow.data.context", data.context)
    return entities.DatasetInput(dataset, [use])
