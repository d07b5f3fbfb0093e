"""Transformed data sets: what a batch of one holds, and that nothing else is taken for it."""

import numpy as np
import pytest
import torch
from samples import IMAGES, archive

from advcore.probes import Examples
from advcore.transforms import CutOff, Flip, LowPass, Resize
from advcore.workers.datasets import DataSpec, batch, load
from advcore.workers.errors import InputError
from advcore.workers.model_checks import check_box, check_model
from advcore.workers.models import ModelSpec, build, content_hash
from advcore.workers.shards import Shard


def _load(path, transform):
    spec = archive(path)
    return load(DataSpec(spec.name, transform=transform))


def test_a_batch_is_transformed_when_it_is_cut(tmp_path):
    data = _load(tmp_path, Flip())
    assert data.images.dtype == np.uint8
    whole, part = batch(data, Shard(0, 6), "float64"), batch(data, Shard(2, 3), "float64")
    torch.testing.assert_close(whole.inputs, Flip()(torch.tensor(IMAGES).double() / 255))
    torch.testing.assert_close(part.inputs, whole.inputs[2:3])
    assert whole.inputs.min() < 0  # nothing is clipped
    assert batch(data, Shard(0, 1)).inputs.dtype == torch.float32


def test_the_digest_tells_transforms_apart_and_is_as_before_without(tmp_path):
    transforms = [None, Flip(), LowPass(2), LowPass(3), CutOff(3)]
    assert len({_load(tmp_path, transform).digest for transform in transforms}) == 5
    assert _load(tmp_path, None).digest == load(archive(tmp_path)).digest
    assert _load(tmp_path, LowPass(2)).digest == _load(tmp_path, LowPass(2)).digest


def test_a_transform_of_ones_own_is_hashed_with_its_source(tmp_path, own_module):
    source = (
        "class Scaled:\n    def __call__(self, images): return {} * images\n    def "
        "__repr__(self): return 'Scaled()'\n"
    )
    digests = set()
    for number in (2, 33):
        own_module("tiny_transform", source.format(number))
        import tiny_transform

        digests.add(_load(tmp_path, tiny_transform.Scaled()).digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            LowPass(5),
            (
                r"transform LowPass\(band=5\) does not fit images \(1, 4, 4\) .*: band must be a "
                r"whole number in 1..4 for images of 4 x 4; got 5"
            ),
        ),
        (
            lambda images: images.flatten(1),
            r"must take images \(1, channels, height, width\) to such ones; it gave \(1, 16\) for",
        ),
    ],
)
def test_transforms_that_do_not_fit(tmp_path, transform, message):
    with pytest.raises(InputError, match=message):
        _load(tmp_path, transform)


def test_a_resized_data_set_has_another_shape_and_stays_in_the_box(tmp_path):
    data = _load(tmp_path, Resize(3))
    assert (data.shape, data.images.shape, data.in_box) == ((1, 3, 3), (6, 1, 4, 4), True)
    found = batch(data, Shard(1, 3), "float64").inputs
    torch.testing.assert_close(found, Resize(3)(torch.tensor(IMAGES[1:3]).double() / 255))
    assert data.digest != _load(tmp_path, Resize(2)).digest
    assert not _load(tmp_path, Flip()).in_box
    check_model("the model", ModelSpec("perceptron", arguments={"side": 3}, classes=3), data)
    with pytest.raises(InputError, match=r"does not fit images \(1, 3, 3\) .*\"side\": 3"):
        check_model("the model", ModelSpec("perceptron", classes=3), data)
    check_box("probe examples", Examples(), data)


def test_a_model_transforms_its_mean_image():
    plain = ModelSpec("perceptron", mean=(0.3,), std=(0.5,))
    flipped = ModelSpec("perceptron", mean=(0.3,), std=(0.5,), transform=Flip())
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = build(ModelSpec("perceptron"))(Flip()((images - 0.3) / 0.5))
    torch.testing.assert_close(build(flipped)(Flip()(images)), expected, rtol=1e-5, atol=1e-5)
    assert content_hash(flipped) != content_hash(plain)


def test_a_model_without_a_mean_has_nothing_to_transform():
    with pytest.raises(
        InputError,
        match=(
            "lenet has transform without mean and std, which it applies to: give both, or leave"
        ),
    ):
        content_hash(ModelSpec("lenet", transform=Flip()))
