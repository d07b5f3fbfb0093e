"""The study of the guide to calibration: as it stands, and in a small form."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema

GUIDE = (Path(__file__).parents[3] / "docs/guides/calibration.md").read_text()
(STUDY,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def ran(study: dict[str, Any], out: Path) -> Any:
    place = {"out": str(out), "track": False, "threads": 1, "figures": "none"}
    return run(schema.structure(GraphStudy, study | {"run": place}))


def rows_of(result: Any, table: str) -> dict[str, str]:
    """Return the one row of a made table."""
    with (result.folder / f"tables/{table}.csv").open() as file:
        (row,) = csv.DictReader(file)
    return row


def told(result: Any, probe: str, model: str) -> dict[str, float]:
    found = json.loads((result.folder / "results.json").read_text())
    return dict(found["scalars"][probe][model])


def test_a_small_form_warns_of_a_temperature_at_the_end_of_its_range(tmp_path: Path) -> None:
    """All that the network learnt is labelled right, which a temperature cannot be learnt from."""
    study = yaml.safe_load(STUDY)
    study["data_sets"]["train"]["samples"] = 12
    study["data_sets"]["held_out"]["samples"] = 20
    study["data_sets"]["test"] |= {"samples": 10}
    study["data_sets"]["few"]["samples"] = 4
    study["models"]["net"]["recipe"]["set"]["epochs"] = 20
    study["fits"]["temperature"]["data"] = "train"
    study["probes"]["rejection"]["attacks"][0]["steps"] = 2
    result = ran(study, tmp_path)
    assert result.fit("temperature")["found"] == 0
    warned = result.warnings["temperature_at_border"]["fit temperature"]
    assert "temperature 0.001 is an end of its range, no minimum: each sample is" in warned
    report = (result.folder / "report.md").read_text()
    assert "- **warning**, temperature, temperature_at_border: temperature 0.001" in report
    numbers = told(result, "rejection", "net")
    assert numbers["asked"] == pytest.approx(0.95)
    assert 0 <= numbers["accepted"] <= 1
    outside = rows_of(result, "outside")
    assert outside["outside"] == "noise"
    assert {"fpr_inside_positive", "fpr_outside_positive"} <= outside.keys()


@pytest.mark.slow
def test_its_numbers_are_those_of_the_guide(tmp_path: Path) -> None:
    """Within what another processor may change."""
    result = ran(yaml.safe_load(STUDY), tmp_path)
    assert result.warnings.keys() == {"at_chance"}
    test, noise = (told(result, "confidence", f"net data={name}") for name in ("test", "noise"))
    assert test["accuracy"] == pytest.approx(0.906, abs=0.02)
    assert test["temperature"] == pytest.approx(1.37, abs=0.1)
    assert test["scaled_nll"] < test["nll"]
    assert noise["mean_confidence"] == pytest.approx(0.76, abs=0.05)
    refused = told(result, "rejection", "net")
    assert refused["asked"] == pytest.approx(0.95)
    assert refused["accepted"] == pytest.approx(0.978, abs=0.03)
    assert refused["thresholded_robust_error"] == pytest.approx(0.62, abs=0.08)
    row = rows_of(result, "outside")
    assert float(row["fpr_inside_positive"]) == pytest.approx(0.79, abs=0.06)
    assert float(row["fpr_outside_positive"]) == pytest.approx(0.58, abs=0.06)
