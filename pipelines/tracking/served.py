"""A trained network as MLflow loads and serves it: this file and its two artifacts, no pickle.

MLflow keeps a copy of this file beside the weights and runs it where the model is loaded; advcore
must be installed there. It is never imported by advcore itself.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from advcore.pipelines.settings import schema
from advcore.workers.models import ModelSpec, build


class Served(PythonModel):
    """A network from images `(B, C, H, W)` in [0, 1], float32, to logits `(B, K)`."""

    def load_context(self, context: Any) -> None:
        """Build the network from the two artifacts."""
        about = json.loads(Path(context.artifacts["about"]).read_text())
        spec = schema.structure(ModelSpec, about["settings"]["model"], at="model")
        self.network = build(replace(spec, checkpoint=context.artifacts["weights"]))

    def predict(
        self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return the logits of images."""
        with torch.no_grad():
            return self.network(torch.from_numpy(np.asarray(model_input, dtype=np.float32))).numpy()


set_model(Served())
