"""captum's attributions beside captum called by hand."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness
from advcore.classifier import Normalized
from advcore.explain import Attribution, Gradient
from advcore.pipelines.settings import schema
from advcore.workers.adapters import Captum
from advcore.workers.errors import InputError

attr = pytest.importorskip("captum.attr")
SHAPE = (1, 8, 8)
INPUTS = oracles.images(5, SHAPE, torch.float32)
NETWORK = nn.Sequential(
    nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 4)
)
LABELS = torch.tensor([0, 1, 2, 3, 0])
WINDOW = {"sliding_window_shapes": [1, 2, 2], "strides": [1, 2, 2]}


def test_maps_are_those_by_hand():
    hand = attr.Occlusion(NETWORK).attribute(INPUTS, (1, 2, 2), strides=(1, 2, 2), target=LABELS)
    found = Captum("Occlusion", WINDOW)(NETWORK, INPUTS, LABELS)
    torch.testing.assert_close(found.maps, hand)
    assert found.residual.isnan().all()
    torch.testing.assert_close(
        Captum("DeepLift")(NETWORK, INPUTS, LABELS).maps,
        attr.DeepLift(NETWORK).attribute(INPUTS.clone(), target=LABELS).detach(),
    )


def test_saliency_is_our_gradient_behind_a_function_too():
    saliency = Captum("Saliency", {"abs": False})
    ours = Gradient()(NETWORK, INPUTS, LABELS).maps
    torch.testing.assert_close(saliency(NETWORK, INPUTS, LABELS).maps, ours)
    torch.testing.assert_close(saliency(lambda x: NETWORK(x), INPUTS, LABELS).maps, ours)


def test_a_layers_map_is_enlarged_to_the_picture():
    camera = Captum("LayerGradCam", layer="2")
    classifier = Normalized(NETWORK, [0.5], [0.25])
    found = camera(classifier, INPUTS, LABELS).maps
    by_hand = attr.LayerGradCam(classifier, NETWORK[2]).attribute(INPUTS, target=LABELS)
    large = attr.LayerAttribution.interpolate(by_hand, (8, 8), "bilinear")
    torch.testing.assert_close(found, large.detach())


def test_noise_is_keyed_and_alone_independent_of_batch_mates():
    settings = {"perturbations_per_eval": 1, "n_samples": 2}
    shapley = Captum("ShapleyValueSampling", settings, one_by_one=True)
    indices = torch.arange(5)
    together = shapley(NETWORK, INPUTS, LABELS, Randomness(1, indices)).maps
    rows = torch.tensor([3, 0])
    apart = shapley(NETWORK, INPUTS[rows], LABELS[rows], Randomness(1, indices[rows])).maps
    torch.testing.assert_close(apart, together[rows])
    other = shapley(NETWORK, INPUTS[rows], LABELS[rows], Randomness(2, indices[rows])).maps
    assert not torch.allclose(apart, other)


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match="captum: there is no attribution 'Oclusion'; there is"):
        Captum("Oclusion")
    with pytest.raises(InputError, match=r"Occlusion knows no setting window; known: .*strides"):
        Captum("Occlusion", {"window": 3})
    with pytest.raises(InputError, match="Occlusion needs the settings sliding_window_shapes"):
        Captum("Occlusion")
    with pytest.raises(InputError, match="LayerGradCam looks at a layer: give layer"):
        Captum("LayerGradCam")
    with pytest.raises(InputError, match="Saliency looks at no layer; got layer '2'"):
        Captum("Saliency", layer="2")
    with pytest.raises(InputError, match="the network has no module 'conv'; it has 0, 1"):
        Captum("LayerGradCam", layer="conv")(NETWORK, INPUTS, LABELS)
    with pytest.raises(ValueError, match="a map of a layer is enlarged where"):
        Captum("LayerGradientXActivation", layer="4")(NETWORK, INPUTS, LABELS)


def test_a_study_names_it():
    found = schema.structure(
        Attribution, {"kind": "captum", "method": "Occlusion", "settings": WINDOW}
    )
    assert found == Captum("Occlusion", WINDOW)
