"""What all fits of the table have in common."""

from dataclasses import fields

import oracles
import pytest
import torch
from learning import learn, shards
from safetensors.torch import load, save

from advcore.attacks import DeepFool
from advcore.box import needs_box
from advcore.fits import FITS, VERSIONS, CurvedDirections, Fit, FitSamples, Medians, Universal
from advcore.pipelines.settings.schema import structure, unstructure
from advcore.seams import lacking

ATTACK = DeepFool(norm="l2", box=False)
SMALL = {
    "universal": {"radius": 0.5, "epochs": 2},
    "sequential": {"radius": 0.5, "passes": 2},
    "normals": {"directions": 3, "attack": ATTACK},
    "shared_curvature": {"directions": 3, "rounds": 3},
    "class_statistics": {"rank": 3},
    "layer_variation": {},
    "weights": {},
    "exemplars": {},
    "components": {"directions": 3},
    "anisotropy": {
        "architecture": "perceptron",
        "arguments": {"side": 6, "width": 4},
        "directions": 3,
    },
    "frequencies": {"directions": 3},
    "temperature": {},
    "confidence_threshold": {},
    "attribute_classifier": {"layer": "input", "hidden": 3, "rounds": 3},
    "sensitive_directions": {"entries": (0, 3), "rounds": 3},
    "random_directions": {"directions": 2},
    "entry_directions": {"entries": (4, 0)},
}
WITHOUT_ROUNDS = (
    "layer_variation",
    "weights",
    "exemplars",
    "anisotropy",
    "frequencies",
    "random_directions",
    "entry_directions",
)
"""Fits that have nothing to converge."""
BLIND = ("weights", "anisotropy", "frequencies", "random_directions", "entry_directions")
"""Fits that look at no sample."""
IMAGES = oracles.images(20, (1, 6, 6), torch.float32)
LABELS = torch.arange(20) % 4
NETWORK = oracles.relu(shape=(1, 6, 6), dtype=torch.float32)


def learnt(kind):
    return learn(FITS[kind](**SMALL[kind]), NETWORK, shards(IMAGES, [20], LABELS), 4)


def test_the_table_is_tested_whole():
    assert SMALL.keys() == FITS.keys()


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_has_what_the_seam_asks_for(kind):
    assert lacking(FITS[kind], Fit) == []
    assert {field.name for field in fields(FITS[kind])}.isdisjoint(dir(Fit))
    fit = FITS[kind](**SMALL[kind])
    assert hash(fit) == hash(FITS[kind](**SMALL[kind]))


@pytest.mark.parametrize("kind", FITS)
def test_what_is_learnt_survives_a_file(kind):
    """Tensors of another layout would come back in another order, or be refused."""
    state = learnt(kind)
    assert state.done
    tensors = dict(state.tensors)
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    again = load(save(tensors))
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(again[name], tensor), name


DECLARED = {
    "universal": (2, {"vector", "mean", "radius", "fooling"}),
    "sequential": (2, {"vector", "mean", "radius", "fooling"}),
    "normals": (1, {"directions", "energy", "residual", "found", "median_distance"}),
    "shared_curvature": (1, {"directions", "curvature", "residual"}),
    "class_statistics": (
        1,
        {"count", "mean", "shared_mean", "axes", "variance", "residual", "trace"},
    ),
    "layer_variation": (1, {"input", "first", "last"}),
    "weights": (1, {"count"}),
    "exemplars": (2, {"inputs", "labels", "indices"}),
    "components": (1, {"directions", "variance", "residual", "mean", "trace"}),
    "anisotropy": (1, {"directions", "energy", "held_out", "null_energy", "null_held_out"}),
    "frequencies": (1, {"directions"}),
    "temperature": (1, {"temperature", "found", "likelihood"}),
    "confidence_threshold": (2, {"threshold", "asked", "kept", "right"}),
    "attribute_classifier": (1, {"count"}),
    "sensitive_directions": (1, {"directions", "coefficients"}),
    "random_directions": (1, {"directions"}),
    "entry_directions": (1, {"directions"}),
}
"""Versions of the fits and names of their tensors: where these change, the version rises."""


@pytest.mark.parametrize("kind", FITS)
def test_what_is_learnt_is_what_was_declared(kind):
    state, fit = learnt(kind), FITS[kind](**SMALL[kind])
    declared = fit.tensors(FitSamples((1, 6, 6), 4, 20))
    assert {name: tuple(state.tensors[name].shape) for name in declared} == declared
    assert (VERSIONS.get(FITS[kind], 1), set(declared)) == DECLARED[kind]


def test_a_fit_that_learns_something_else_than_it_declares_is_refused():
    class Boastful(Universal):
        def tensors(self, samples):
            return {**super().tensors(samples), "vector": (2, *samples.shape)}

    with pytest.raises(ValueError, match=r"expected vector of shape \(2, 1, 6, 6\), got"):
        learn(Boastful(radius=0.5, epochs=1), NETWORK, shards(IMAGES, [20], LABELS), 4)


@pytest.mark.parametrize("kind", FITS)
def test_each_round_has_numbers_that_are_finite(kind):
    state = learnt(kind)
    assert bool(state.history) == (kind not in WITHOUT_ROUNDS)
    assert all(0 < len(numbers) <= state.rounds for numbers in state.history.values())
    for numbers in state.history.values():
        assert torch.tensor(numbers).isfinite().all()


@pytest.mark.parametrize("kind", FITS)
def test_no_sample_is_nothing_to_learn_from(kind):
    with pytest.raises(ValueError, match="at least one sample; got 0"):
        FITS[kind](**SMALL[kind]).validate(FitSamples((1, 6, 6), 4, 0))


@pytest.mark.parametrize("kind", [kind for kind in FITS if kind not in BLIND])
def test_samples_that_are_not_finite_are_refused(kind):
    images = IMAGES.clone()
    images[3, 0, 2, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        learn(FITS[kind](**SMALL[kind]), NETWORK, shards(images, [20], LABELS), 4)


@pytest.mark.parametrize(
    "kind", ["shared_curvature", "class_statistics", "temperature", "confidence_threshold"]
)
def test_labels_of_no_class_are_refused(kind):
    for labels, words in ((LABELS + 2, "labels must lie in 0..3"), (LABELS.float(), "whole numb")):
        with pytest.raises(ValueError, match=words):
            learn(FITS[kind](**SMALL[kind]), NETWORK, shards(IMAGES, [20], labels), 4)


def test_only_what_clips_needs_inputs_in_the_box():
    asked = [kind for kind in FITS if needs_box(FITS[kind](**SMALL[kind]))]
    assert asked == ["universal"]
    assert not needs_box(Universal(radius=0.5, box=False))


@pytest.mark.parametrize("kind", [kind for kind in FITS if kind not in ("normals", "frequencies")])
def test_rows_of_numbers_learn_what_images_do(kind):
    state = learn(
        FITS[kind](**SMALL[kind]),
        lambda rows: NETWORK(rows.view(-1, 1, 6, 6)),
        shards(IMAGES.flatten(1), [20], LABELS),
        4,
    )
    for name, tensor in learnt(kind).tensors.items():
        torch.testing.assert_close(state.tensors[name].flatten(), tensor.flatten())


@pytest.mark.parametrize("fit", [FITS["normals"](directions=3), Universal()])
def test_minimal_perturbations_are_of_images(fit):
    with pytest.raises(ValueError, match=r"of images \(C, H, W\); these inputs are \(36,\)"):
        fit.validate(FitSamples((36,), 4, 20))


@pytest.mark.parametrize(
    ("written", "fit"),
    [
        ({"kind": "universal", "radius": {"medians": 2}}, Universal(radius=Medians(2.0))),
        ({"kind": "universal", "radius": 0.1, "norm": "linf"}, Universal("linf", 0.1)),
        ({"kind": "shared_curvature", "step": 1, "directions": 50}, CurvedDirections(50, 1.0)),
        ({"kind": "shared_curvature", "step": None}, CurvedDirections()),
    ],
)
def test_a_file_says_what_a_fit_is(written, fit):
    assert structure(Fit, written) == fit
    assert structure(Fit, unstructure(fit, Fit)) == fit
