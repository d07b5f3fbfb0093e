"""Transformed data in studies and trainings: through YAML, under keys of their own, and never into
a box.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import InputError

TRAINING = """
name: flipped
model: {architecture: perceptron, mean: [0.3], std: [0.37], transform: {kind: flip}}
data: {name: digits, split: train, transform: {kind: flip}}
test: {name: digits, split: test, transform: {kind: flip}}
recipe: {epochs: 3}
run: {out: out, track: false, threads: 1}
"""


def _training(**changes: Any) -> Training:
    return schema.structure(Training, {**yaml.safe_load(TRAINING), **changes}, at="training")


def _without_a_box(tiny: dict[str, Any]) -> dict[str, Any]:
    tiny["probes"]["robustness"]["attacks"] = [{"kind": "deepfool", "norm": "l2", "box": False}]
    del tiny["probes"]["examples"], tiny["models"]["two"]
    return tiny


@pytest.mark.parametrize("probe", ["robustness", "examples", "tight", "masking"])
def test_an_attack_in_the_box_is_refused_in_one_line(tiny: dict[str, Any], probe: str) -> None:
    tiny["data"]["transform"] = {"kind": "flip"}
    others = {
        "tight": {"kind": "robustness", "eps": [0.1], "quality": "tight"},
        "masking": {"kind": "masking", "eps": [0.1]},
    }
    tiny["probes"] = {probe: {**tiny["probes"], **others}[probe]}
    match = (
        rf"^probe {probe} attacks in the box \[0, 1\], which images transformed by Flip\(\) "
        r"leave: take attacks with box: false"
    )
    with pytest.raises(InputError, match=match) as refusal:
        run_study(schema.structure(Study, tiny))
    assert "\n" not in str(refusal.value)


def test_networks_that_see_other_images_are_not_compared(tiny: dict[str, Any], place: Path) -> None:
    tiny["probes"], tiny["transforms"] = {"t": {"kind": "transfer"}}, {"two": {"kind": "flip"}}
    match = (
        r"^probe t compares one with two, which see images transformed by None and Flip\(\): "
        r"give both one transform"
    )
    with pytest.raises(InputError, match=match):
        run_study(schema.structure(Study, tiny))
    tiny["transforms"]["one"] = {"kind": "flip"}
    assert run_study(schema.structure(Study, tiny)).complete


def test_a_study_of_transformed_data_measures_rows_of_its_own(
    tiny: dict[str, Any], place: Path
) -> None:
    results, tiny = [], _without_a_box(tiny)
    for transform in (None, {"kind": "flip"}, {"kind": "cut_off", "band": 2}, {"kind": "flip"}):
        study = schema.structure(Study, tiny | {"data": {**tiny["data"], "transform": transform}})
        results.append(run_study(study))
    assert [(report.measured, report.found) for report in results] == [
        (9, 0),
        (9, 0),
        (9, 0),
        (0, 9),
    ]
    assert all(report.complete for report in results)
    distances = [
        report.summaries["robustness"]["one"].scalars["mean_distance/deepfool-l2"]
        for report in results
    ]
    assert len(set(distances)) == 3
    assert (
        schema.structure(Study, schema.load_yaml(place / "out/tiny/study.yaml"))
        == results[-1].study
    )


def test_a_network_learns_flipped_data(place: Path) -> None:
    trained = train(_training())
    assert trained.metrics["test_accuracy"] > 0.85
    assert train(_training()).already
    plain = {"name": "digits", "split": "train"}
    assert not train(_training(data=plain)).already


def test_adversarial_training_on_transformed_data_is_refused(place: Path) -> None:
    objective = {
        "kind": "adversarial",
        "attack": {"kind": "pgd", "norm": "l2", "eps": 1.0, "steps": 3},
    }
    with pytest.raises(
        InputError,
        match=(
            r"^objective.robust attacks in the box \[0, 1\], which images transformed by "
            r"Flip\(\) leave"
        ),
    ):
        train(_training(recipe={"objective": {"robust": objective}}))


def test_models_of_one_study_see_images_of_two_sizes(tiny: dict[str, Any], place: Path) -> None:
    tiny["transforms"] = {"two": {"kind": "resize", "size": 4}}
    tiny["models"]["two"] = {"architecture": "perceptron", "arguments": {"side": 4}}
    assert run_study(schema.structure(Study, tiny)).complete
    tiny["probes"] = {"m": {"kind": "margins", "family": {"kind": "dct", "size": 6, "stride": 1}}}
    with pytest.raises(InputError, match=r"^probe m: .*4"):
        run_study(schema.structure(Study, tiny))
