"""A study with another library's attacks: the same rows however the work is spread."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from advcore.attacks import kind_and_norm
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError
from advcore.workers.stores.store import open_store

ATTACKS = {
    "foolbox": [
        {
            "kind": "foolbox",
            "name": "L2PGD",
            "norm": "l2",
            "settings": {"steps": 5, "rel_stepsize": "1/3"},
        },
        {"kind": "foolbox_minimal", "name": "L2FMNAttack", "norm": "l2", "settings": {"steps": 20}},
    ],
    "torchattacks": [
        {
            "kind": "torchattacks",
            "name": "PGDL2",
            "norm": "l2",
            "settings": {"steps": 5, "random_start": True},
        },
        {"kind": "torchattacks_minimal", "name": "DeepFool", "norm": "l2"},
    ],
    "adv_lib": [
        {
            "kind": "adv_lib",
            "name": "apgd",
            "norm": "l2",
            "settings": {"n_iter": 5, "loss_function": "ce"},
        },
        {
            "kind": "adv_lib_minimal",
            "name": "ddn",
            "norm": "l2",
            "settings": {"levels": None, "steps": 20},
        },
    ],
}


@pytest.mark.parametrize("library", ATTACKS)
def test_a_study_with_an_adapter(library: str, tiny: dict[str, Any], place: Path) -> None:
    pytest.importorskip(library)
    pytest.importorskip(f"{library}.attacks")
    attacks = [{"kind": "deepfool"}, *ATTACKS[library]]
    robustness = {
        "kind": "robustness",
        "eps": [0.1, 0.5, 1.0],
        "in_turn": False,
        "attacks": attacks,
    }
    study = schema.structure(Study, {**tiny, "probes": {"robustness": robustness}})
    assert schema.structure(Study, schema.unstructure(study)) == study
    report = run_study(replace(study, run=replace(study.run, out="one", threads=1)))
    assert (report.measured, report.failures) == (6, [])
    scalars = report.summaries["robustness"]["one"].scalars
    found = [
        scalars[f"found/{kind_and_norm(attack)}"] for attack in study.probes["robustness"].attacks
    ]
    assert len(found) == 3
    assert min(found) > 0.3
    torch.manual_seed(99)
    run_study(replace(study, run=replace(study.run, out="two", threads=1)))
    one, two = open_store(str(place / "one/store")), open_store(str(place / "two/store"))
    for path in (place / "one/store").rglob("*.parquet"):
        first, second = one.read(path.stem), two.read(path.stem)
        assert torch.equal(first["distance"], second["distance"])
        assert first["status"] == second["status"]


def test_a_study_whose_library_is_missing_is_refused_in_one_line(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "foolbox", None)
    robustness = {"kind": "robustness", "eps": [0.1], "attacks": [ATTACKS["foolbox"][0]]}
    with pytest.raises(
        InputError,
        match=r"study.probes.robustness.attacks\[0\]: the library foolbox is not installed",
    ) as refused:
        schema.structure(Study, {**tiny, "probes": {"robustness": robustness}})
    assert "\n" not in str(refused.value)
