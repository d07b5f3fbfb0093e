"""The driver: rows, reports, resumption, failures; the same rows inline and on Ray."""

import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from studies import Picky, indices, interrupt_after, stored, study_of

from advcore.networks import perceptron
from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.client import FIRST_CONTACT_SETTINGS
from advcore.probes import Curvature
from advcore.randomness import drawn_places
from advcore.workers.checkpoints import save_checkpoint
from advcore.workers.errors import InputError
from advcore.workers.pool.actor_pool import ActorPool
from advcore.workers.pool.ray_session import running
from advcore.workers.stores.store import open_store


def _names(report: Report) -> set[str]:
    """Of the figures, each in its probe's folder."""
    return {
        figure.relative_to(report.folder / "figures").with_suffix("").as_posix()
        for figure in report.figures
    }


@dataclass(frozen=True)
class Mute(Curvature):
    """Measures, and cannot say what came of it."""

    def summarise(self, table: Any) -> Any:
        raise RuntimeError("nothing to say")


def test_a_study_measures_summarises_and_draws(tiny: dict[str, Any], place: Path) -> None:
    tiny["run"]["figures"] = "png"
    report = run_study(study_of(tiny))
    assert (report.measured, report.found, report.failures) == (24, 0, [])
    assert set(report.summaries) == set(tiny["probes"])
    assert set(report.summaries["margins"]) == {"one", "two"}
    assert _names(report) == {
        "robustness/robust_accuracy",
        "margins/margins",
        "curvature/eigenvalues",
        "curvature/gradient_alignment",
        "curvature/loss_change",
        "curvature/turn",
        "examples/examples",
    }
    assert all(figure.stat().st_size > 5000 for figure in report.figures)
    assert "median_margin" in (place / "out/tiny/report.md").read_text()
    again = schema.structure(Study, schema.load_yaml(place / "out/tiny/study.yaml"))
    assert again == report.study


def test_shards_without_a_drawn_sample_are_no_tasks(tiny: dict[str, Any], place: Path) -> None:
    """Of 20 samples in shards of 8 one is drawn: two of the shards of two probes have none."""
    tiny["run"]["figures"] = "png"
    tiny["probes"] = {
        "landscape": {"kind": "landscape", "count": 1, "size": 3, "planes": ["normal_curved"]},
        "shared": {"kind": "shared_curvature", "top": 9},
        "some": {"kind": "curvature", "count": 1},
    }
    report = run_study(study_of(tiny))
    assert (report.measured, report.failures, report.problems) == (10, [], [])
    assert report.summaries["some"]["one"].scalars["median_turn"] > 0
    table = pq.read_table(place / "out/tiny/tables/landscape/one.parquet")
    drawn = drawn_places(torch.as_tensor(indices(report.study))).argsort()[0]
    assert table["sample"].to_pylist() == [indices(report.study)[drawn]]
    assert {name for name in _names(report) if not name.startswith("some/")} == {
        "landscape/labels-normal_curved",
        "landscape/loss-normal_curved",
        "shared/shared_curvature",
        "shared/energy",
    }


def test_a_second_run_computes_nothing(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_study(study_of(tiny))
    assert first.figures == []  # figures: none
    monkeypatch.setattr("advcore.workers.inline.Worker", None)
    second = run_study(study_of(tiny))
    assert (second.measured, second.found) == (0, 24)
    assert second.summaries == first.summaries


def test_a_run_goes_on_after_an_interruption_with_the_same_rows(
    tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run_study(study_of(tiny, out="other"))
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            run_study(study_of(tiny))
    assert len(stored(place)) == 6  # the sixth was measured before the stop
    report = run_study(study_of(tiny))
    assert (report.measured, report.found) == (18, 6)
    assert report.summaries == undisturbed.summaries


def test_changing_one_probe_measures_that_probe_alone(tiny: dict[str, Any]) -> None:
    run_study(study_of(tiny))
    tiny["probes"]["margins"]["family"]["size"] = 2
    report = run_study(study_of(tiny))
    assert (report.measured, report.found) == (6, 18)


def test_rows_of_a_comparison_are_those_of_the_other_weights(
    tiny: dict[str, Any], place: Path
) -> None:
    tiny["run"]["figures"] = "png"
    tiny["probes"] = {
        "transfer": {"kind": "transfer", "to": ["one"], "scales": [1, 2]},
        "margins": tiny["probes"]["margins"],
    }
    first = run_study(study_of(tiny))
    assert _names(first) == {"transfer/transfer", "transfer/over_scale", "margins/margins"}
    assert first.summaries["transfer"]["one"].scalars["transfer_rate/one"] == 1
    table = pq.read_table(place / "out/tiny/tables/transfer/two.parquet")
    assert table["to"].to_pylist() == ["one"] * 40
    torch.manual_seed(4)
    save_checkpoint(perceptron(), place / "one.safetensors", {})
    again = run_study(study_of(tiny))
    assert (again.measured, again.found) == (
        9,
        3,
    )  # all of one, the transfer from two; the margins of two are there


def test_another_shard_size_gives_the_same_rows_to_rounding(
    tiny: dict[str, Any], place: Path
) -> None:
    tables = []
    for size in (8, 20):
        report = run_study(study_of(tiny, shard_size=size, out=f"out{size}"))
        tables.append({probe: by_model["one"] for probe, by_model in report.summaries.items()})
    for name in ("robustness", "margins"):
        for key, value in tables[0][name].scalars.items():
            assert value == pytest.approx(tables[1][name].scalars[key], rel=1e-5)


def test_a_name_used_for_another_study_shows_the_one_that_ran_last(
    tiny: dict[str, Any], place: Path
) -> None:
    tiny["run"]["figures"] = "png"
    tiny["probes"] = {name: tiny["probes"][name] for name in ("examples", "curvature")}
    first = run_study(study_of(tiny, track=True))
    del tiny["probes"]["curvature"]
    second = run_study(study_of(tiny, track=True))
    assert "curvature" not in (place / "out/tiny/report.md").read_text()
    assert not list((place / "out/tiny/figures").rglob("*curvature*"))
    assert second.measured == 0
    again = run_study(first.study)
    assert (again.measured, again.found) == (0, 12)
    assert "curvature" in (place / "out/tiny/report.md").read_text()
    assert all(figure.is_file() for figure in again.figures)


def test_a_probe_that_cannot_summarise_keeps_its_table(tiny: dict[str, Any], place: Path) -> None:
    study = study_of(tiny)
    report = run_study(replace(study, probes={**study.probes, "curvature": Mute()}))
    assert not report.complete
    assert "nothing to say" in report.problems[0]
    assert "margins" in report.summaries
    assert (place / "out/tiny/tables/curvature/one.parquet").is_file()


def test_a_shard_that_fails_is_reported_and_tried_again_alone(
    tiny: dict[str, Any], place: Path
) -> None:
    study = study_of(tiny)
    first = int(torch.as_tensor(indices(study))[0])
    report = run_study(replace(study, probes={**study.probes, "curvature": Picky(sample=first)}))
    assert {outcome.name for outcome in report.failures} == {"one/curvature", "two/curvature"}
    assert all("no curvature today" in outcome.error for outcome in report.failures)
    assert len(stored(place)) == 22
    assert report.summaries["curvature"]["one"].scalars["low_rank_share"] == 1
    again = run_study(replace(study, probes={**study.probes, "curvature": Picky(sample=first)}))
    assert (again.measured, again.found, len(again.failures)) == (0, 22, 2)


def test_every_sample_stands_once_in_the_tables(tiny: dict[str, Any], place: Path) -> None:
    study = study_of(tiny)
    run_study(study)
    table = pq.read_table(place / "out/tiny/tables/margins/one.parquet")
    assert table.num_rows == 3 * 20
    pairs = set(zip(table["sample"].to_pylist(), table["subspace"].to_pylist(), strict=True))
    assert pairs == {(int(sample), block) for sample in indices(study) for block in range(3)}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_rays_rows_equal_the_inline_runners_bit_for_bit(
    tiny: dict[str, Any], place: Path, workers: int
) -> None:
    tiny["probes"]["transfer"] = {
        "kind": "transfer",
        "attack": {"kind": "deepfool", "norm": "l2"},
        "to": ["two"],
    }
    run_study(study_of(tiny, out="inline"))
    report = run_study(study_of(tiny, runner="ray", workers=workers, out="ray"))
    assert report.measured == 30
    inline, ray = open_store(str(place / "inline/store")), open_store(str(place / "ray/store"))
    keys = [path.stem for path in (place / "inline/store").rglob("*.parquet")]
    assert len(keys) == 30
    for key in keys:
        a, b = inline.read(key), ray.read(key)
        for name, column in a.items():
            same = (
                torch.equal(column.nan_to_num(7e7), b[name].nan_to_num(7e7))
                if isinstance(column, torch.Tensor)
                else column == b[name]
            )
            assert same, (key, name)


def test_ray_ends_where_mlflow_refuses(
    tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers have begun before MLflow answers, or does not."""
    monkeypatch.setitem(FIRST_CONTACT_SETTINGS, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    begun, ended = [], []
    begin, end = ActorPool.submit_first, ActorPool.end_all
    monkeypatch.setattr(ActorPool, "submit_first", lambda own: begun.append(own) or begin(own))  # type: ignore[func-returns-value]
    monkeypatch.setattr(ActorPool, "end_all", lambda own: ended.append(own) or end(own))  # type: ignore[func-returns-value]
    before = running()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=f"MLflow at {uri} cannot be used: no answer"):
            run_study(study_of(tiny, runner="ray", workers=1, track=True, tracking_uri=uri))
    assert len(begun) == 1
    assert begun == ended
    assert running() == before
    assert not (place / "out/tiny/report.md").exists()


def test_where_nobody_listens_no_ray_is_started(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advcore.workers.pool.ray_runner.ray_session", None)
    with pytest.raises(
        InputError,
        match=r"^MLflow at http://127.0.0.1:1 cannot be used: no answer; check tracking_uri",
    ):
        run_study(
            study_of(tiny, runner="ray", workers=1, track=True, tracking_uri="http://127.0.0.1:1")
        )


@dataclass(frozen=True)
class Leaving(Curvature):
    """Leaves by sys.exit where it is told to."""

    where: str = "measure"

    def measure(self, *arguments: Any) -> Any:
        if self.where == "measure":
            sys.exit(0)
        return super().measure(*arguments)

    def summarise(self, table: Any) -> Any:
        if self.where == "summarise":
            sys.exit(3)
        return super().summarise(table)


@pytest.mark.parametrize("where", ["measure", "summarise"])
def test_a_probe_that_leaves_by_sys_exit_fails_alone(tiny: dict[str, Any], where: str) -> None:
    tiny["probes"]["leaving"] = {"kind": f"{__name__}:Leaving", "where": where}
    report = run_study(study_of(tiny))
    assert not report.complete
    assert set(tiny["probes"]) - set(report.summaries) == {"leaving"}
    told = " ".join([*report.problems, *(failure.error for failure in report.failures)])
    assert "SystemExit" in told
