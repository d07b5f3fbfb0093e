"""Studies that are made in Python: their values are checked as a file's are."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from studies import study_of
from torch import nn

from advcore.attacks import DeepFool
from advcore.learnt import Learnt
from advcore.pipelines import DataSpec, InputError, ModelSpec, RunSettings, Study, run
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.settings import schema
from advcore.probes import ExactDistance, Margins, Noise, Robustness, Shifted


class Plain:
    """A probe that is no dataclass."""

    def validate(self, shape: Any, classes: int) -> None: ...
    def measure(self, classifier: Any, batch: Any, randomness: Any) -> Any: ...
    def summarise(self, table: Any) -> Any: ...
    def charts(self, tables: Any) -> Any: ...


@dataclass
class Thawed(Plain):
    """One that is not frozen."""


@dataclass(frozen=True)
class Short:
    """One that lacks most of a probe."""

    def measure(self, classifier: Any, batch: Any, randomness: Any) -> Any: ...


@dataclass(frozen=True)
class NoNorm:
    """An attack that does not say its norm."""

    def __call__(self, *batch: Any) -> Any: ...


STUDY = Study("s", DataSpec("mnist5k"), {"noise": Noise()}, {"m": ModelSpec("lenet")})


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (
            {"models": {"m": "lenet"}},
            r"^study\.models\.m: expected a ModelSpec, got the text 'lenet'; write "
            r"ModelSpec\('lenet'\)$",
        ),
        (
            {"models": {"m": nn.Flatten()}},
            r"study\.models\.m: expected a ModelSpec, got a value of the class Flatten; save its "
            r"weights and write ModelSpec\('package.module:factory', checkpoint='weights.pt'\)",
        ),
        (
            {"models": {"m": ModelSpec("lenet", checkpoint=Path("x.pt"))}},  # type: ignore
            r"study\.models\.m\.checkpoint: expected a text or None, got a value of the class P",
        ),
        ({"models": ["lenet"]}, r"study\.models: expected a dict, got a list of 1"),
        (
            {"data": {"name": "mnist5k", "samples": 3}},
            r"study\.data: expected a DataSpec, got a mapping; write DataSpec\(name='mnist5k', "
            r"samples=3\)",
        ),
        (
            {"data": DataSpec("mnist5k", samples=2.5)},  # type: ignore
            r"study\.data\.samples: expected a whole number or None, got the number 2\.5",
        ),
        (
            {"probes": {"p": Noise}},
            r"probes\.p: expected a Probe, got the class Noise; write Noise\(",
        ),
        ({"probes": {"p": "noise"}}, r"study\.probes\.p: expected a Probe, got the text 'noise'"),
        (
            {"probes": {"p": Plain()}},
            r"study\.probes\.p: Plain: expected a frozen dataclass 'Plain', got another class; "
            r"write @dataclass\(frozen=True\) above it",
        ),
        ({"probes": {"p": Thawed()}}, r"'Thawed', got a dataclass that is not frozen; write @data"),
        (
            {"probes": {"p": Short()}},
            r"study\.probes\.p: Short is no Probe: it lacks validate, summarise, charts; write def",
        ),
        (
            {"probes": {"p": Robustness((0.1,), (DeepFool(steps=5.5),))}},  # type: ignore
            r"study\.probes\.p\.attacks\[0\]\.steps: expected a whole number, got the number 5.5",
        ),
        (
            {"run": RunSettings(runner="rays")},  # type: ignore
            r"study\.run\.runner: expected one of inline, ray, got the text 'rays'; did you mean "
            r"'ray'\?",
        ),
        (
            {"run": RunSettings(workers=True)},
            r"study\.run\.workers: expected a whole number or one of auto, got true",
        ),
        (
            {"models": {"m": ModelSpec("lenet", mean=0.5)}},  # type: ignore
            r"study\.models\.m\.mean: expected a tuple or None, got the number 0\.5",
        ),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(values: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        replace(STUDY, **values)


def test_what_is_changed_in_a_study_is_checked_when_it_runs() -> None:
    study = replace(STUDY, models=dict(STUDY.models))
    study.models["other"] = "lenet"  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"study\.models\.other: expected a ModelSpec, got the te"):
        run(study)


@pytest.mark.parametrize("file", ["study.yaml", Path("study.yaml")], ids=["text", "path"])
def test_a_file_is_no_study(file: Any) -> None:
    match = r"expected a Study, got .*; write run\(Study\.read\('study\.yaml'\)\)"
    with pytest.raises(InputError, match=match):
        run(file)


def test_a_fit_outside_a_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="probe noise names the fit 'uap', which only a graph can"):
        replace(STUDY, probes={"noise": Shifted(Learnt("uap"))})


def test_a_network_whose_layers_a_probe_cannot_read_is_refused_before_any_work(
    tmp_path: Path,
) -> None:
    smooth = ModelSpec("perceptron", arguments={"activation": "tanh"})
    probes, runs = {"exact": ExactDistance()}, RunSettings(out=str(tmp_path), track=False)
    study = Study("s", DataSpec("digits", samples=2), probes, {"m": smooth}, run=runs)
    with pytest.raises(InputError, match=r"^probe exact: layers must be of .*ReLU.*; got Tanh: "):
        run(study)


def test_one_radius_is_no_grid() -> None:
    with pytest.raises(ValueError, match=r"eps must be a growing list .*; got the number 0.1: wri"):
        Robustness(eps=0.1)  # type: ignore[arg-type]


def test_an_attack_without_a_norm_is_told_so() -> None:
    with pytest.raises(ValueError, match=r"NoNorm is no Attack: it lacks norm; write norm: str"):
        Robustness(eps=(0.1,), attacks=(NoNorm(),))  # type: ignore[arg-type]


def test_all_probes_and_attacks_that_come_along_are_taken() -> None:
    robustness = Robustness((0.1, 0.2), (DeepFool(),))
    study = replace(STUDY, probes={"r": robustness, "m": Margins(), "n": Noise(sigmas=[0.1])})  # type: ignore
    assert schema.structure(Study, schema.unstructure(study)).probes["r"] == robustness


def test_a_threat_model_that_cannot_change_the_data_is_refused_before_any_work(
    tiny: dict[str, Any],
) -> None:
    attack = {"kind": "greedy", "threat": {"kind": "flips"}}
    robustness = {"kind": "robustness", "eps": [1.0], "attacks": [attack]}
    own = study_of({**tiny, "probes": {"flipped": robustness}})
    with pytest.raises(InputError, match=r"probe flipped: flips needs binary .* take bin"):
        describe_dry_run(own)
