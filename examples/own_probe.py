"""A probe of your own, in a study from Python: how sure the network is, and how bright the image.

Run: python examples/own_probe.py
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier
from advcore.pipelines import DataSpec, ModelSpec, RunSettings, Study, run
from advcore.probes import Batch, Chart, Columns, Lines, Series, Summary, Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Sureness:
    """The largest probability of each sample.

    Attributes:
        temperature: by which logits are divided.
    """

    temperature: float = 1.0

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0; got {self.temperature}")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        with torch.no_grad():
            sure = (classifier(batch.inputs) / self.temperature).softmax(1).amax(1)
        return {"sample": batch.indices, "sure": sure, "bright": batch.inputs.flatten(1).mean(1)}

    def summarise(self, table: Table) -> Summary:
        sure = table.numbers("sure")
        return Summary(
            {"median_sure": sure.median().item()},
            meanings={"median_sure": "median over samples of the largest probability"},
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return [
            Lines(
                name="sureness",
                title="How sure the network is of bright images",
                x_label="brightness (mean pixel, in [0, 1])",
                y_label="largest probability",
                series=[
                    Series(model, table.numbers("bright"), table.numbers("sure"), style="points")
                    for model, table in tables.items()
                ],
            )
        ]


if __name__ == "__main__":
    result = run(
        Study(
            name="own",
            models={"lenet": ModelSpec("lenet")},
            data=DataSpec("mnist5k", split="test", samples=32),
            probes={"sureness": Sureness(), "cool": Sureness(temperature=0.1)},
            run=RunSettings(track=False),
        )
    )
    for probe, by_model in result.scalars.items():
        print(probe, by_model["lenet"])
    print(result.table("cool").describe())
    print(result.folder / "figures/cool/sureness.png")
