"""How long a study takes, before it begins; and which names a study may have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from studies import study_of

from advcore.pipelines.cli import main
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.running.estimates import FILE, duration_text
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.names import TAKEN
from advcore.pipelines.sweep.settings import Sweep
from advcore.workers.errors import InputError


def _seconds(text: str) -> float:
    found = re.search(r"about ([\d.]+) (s|min)", text)
    assert found is not None, text
    return float(found[1]) * (60 if found[2] == "min" else 1)


def test_it_is_what_the_same_took_here_before_times_the_samples(
    tiny: dict[str, Any], place: Path
) -> None:
    assert "time: unknown: nothing comparable was measured" in describe_dry_run(study_of(tiny))
    run_study(study_of(tiny))
    assert (
        "to measure: 0 of 24 shards\ntime: about 1 s (everything is in the store)"
        in describe_dry_run(study_of(tiny))
    )
    path = place / "out" / FILE
    known = json.loads(path.read_text())
    assert len(known) == 4  # two networks of one kind, four probes
    path.write_text(json.dumps(dict.fromkeys(known, 0.5)))
    tiny["data"]["seed"] = 1
    text = describe_dry_run(study_of(tiny))
    assert "from earlier measurements here" in text
    assert _seconds(text) == pytest.approx(20 * 8 * 0.5)
    tiny["probes"]["robustness"]["attacks"].pop()
    text = describe_dry_run(study_of(tiny))
    assert "without one/robustness, two/robustness, not measured" in text
    assert _seconds(text) == pytest.approx(20 * 6 * 0.5)
    assert _seconds(describe_dry_run(study_of(tiny | {"minutes": 7}))) == 420


def test_trainings_are_part_of_it(tiny: dict[str, Any], place: Path) -> None:
    recipe = {
        "name": "short",
        "model": {"architecture": "perceptron"},
        "data": {"name": "digits", "split": "train"},
        "recipe": {"objective": {"ce": {"kind": "cross_entropy"}}, "epochs": 1},
    }
    (place / "short.yaml").write_text(yaml.safe_dump(recipe))
    tiny |= {
        "models": {},
        "train": {"one": "short.yaml"},
        "probes": {"margins": tiny["probes"]["margins"]},
    }
    assert "to train: one" in describe_dry_run(study_of(tiny))
    report = run_study(study_of(tiny))
    text = (report.folder / "report.md").read_text()
    assert "[trainings/one.yaml](trainings/one.yaml)" in text
    again = yaml.safe_load((report.folder / "trainings/one.yaml").read_text())
    assert again["recipe"]["epochs"] == 1
    known = json.loads((place / "out" / FILE).read_text())
    assert sum(name.startswith("training/") for name in known) == 1
    assert "to train" not in describe_dry_run(study_of(tiny))
    (place / "out/models/short.safetensors").unlink()
    (place / "out" / FILE).write_text(json.dumps(dict.fromkeys(known, 3.0)))
    assert _seconds(describe_dry_run(study_of(tiny))) == pytest.approx(3 + 20 * 3.0)


def test_a_dry_run_writes_nothing_and_refuses_what_a_run_does(
    study_file: Path, tiny: dict[str, Any], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(place.rglob("*"))
    assert main(["run", str(study_file), "--dry-run"]) == 0
    assert "to measure: 24 of 24 shards" in capsys.readouterr().out
    assert sorted(place.rglob("*")) == before
    tiny["models"]["one"]["checkpoint"] = "gone.safetensors"
    with pytest.raises(InputError, match=r"gone\.safetensors"):
        describe_dry_run(study_of(tiny))


def test_the_price_comes_before_the_work(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(study_file), "--set", "minutes=3"]) == 0
    assert (
        "time: about 3.0 min (the study file's minutes, on two idle cores"
        in capsys.readouterr().err
    )


def test_times_have_two_digits() -> None:
    assert [duration_text(seconds) for seconds in (0, 42.3, 100, 1000, 10_000)] == [
        "1 s",
        "42 s",
        "1.7 min",
        "17 min",
        "2.8 h",
    ]


@pytest.mark.parametrize("name", [*TAKEN, "Store", "mlflow.db-wal"])
def test_a_study_whose_folder_would_meet_another_is_refused(
    tiny: dict[str, Any], name: str
) -> None:
    with pytest.raises(InputError, match=f"the name '{name}' is taken in a folder of results"):
        schema.structure(Study, tiny | {"name": name})


def test_a_study_and_a_sweep_of_one_name_do_not_share_a_folder(
    tiny: dict[str, Any], place: Path
) -> None:
    (place / "out/tiny").mkdir(parents=True)
    (place / "out/tiny/sweep.yaml").write_text("name: tiny\n")
    with pytest.raises(InputError, match="holds the sweep of that name: choose another name"):
        run_study(study_of(tiny))
    with pytest.raises(InputError, match="the name 'models' is taken"):
        schema.structure(Sweep, {"name": "models", "recipe": "plain", "space": {}})
