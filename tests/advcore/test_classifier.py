"""Holding a classifier still, and what is refused at the door."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized, frozen
from advcore.classifier import check_images, check_labels, check_logits, full_precision, take_rows
from advcore.precision import _allow_tf32


def test_frozen_holds_and_restores_also_after_an_error():
    network = oracles.Moody()
    before = oracles.state(network)
    with frozen(network):
        assert not any(part.training for part in network.modules())
        assert not any(parameter.requires_grad for parameter in network.parameters())
    assert oracles.state(network) == before
    with pytest.raises(RuntimeError), frozen(network):
        raise RuntimeError
    assert oracles.state(network) == before


def test_frozen_lets_a_plain_callable_pass():
    with frozen(lambda images: images.flatten(1)):
        pass


def test_take_rows_asks_only_classifiers_that_hold_something_per_sample():
    class Own:
        def __call__(self, images):
            return images.flatten(1)

        def rows(self, index):
            return index.tolist()

    plain = oracles.Affine()
    assert take_rows(plain, torch.tensor([1])) is plain
    assert take_rows(Own(), torch.tensor([2, 0])) == [2, 0]


def test_normalized_takes_pixels():
    network = Normalized(nn.Identity(), (0.5, 0.25), (0.5, 2.0))
    normalised = network(torch.ones(1, 2, 3, 3))
    assert torch.equal(normalised[0, :, 0, 0], torch.tensor([1.0, 0.375]))
    assert not network.state_dict()  # a checkpoint of the bare network fits


@pytest.mark.parametrize(
    ("mean", "std", "match"),
    [
        ((0.5,), (0.5, 0.5), "one number per channel"),
        ((), (), "one number per channel"),
        ((0.5,), (0.0,), "std must be positive"),
    ],
)
def test_normalized_refuses(mean, std, match):
    with pytest.raises(ValueError, match=match):
        Normalized(nn.Identity(), mean, std)


def test_normalized_refuses_other_channels():
    with pytest.raises(ValueError, match="normalises 3 channels; images have 1"):
        Normalized(nn.Identity(), (0.5,) * 3, (0.5,) * 3)(torch.zeros(2, 1, 4, 4))


MATMUL, CUDNN = torch.backends.cuda.matmul, torch.backends.cudnn
TF32 = (MATMUL, CUDNN, CUDNN.conv, CUDNN.rnn)


def _legacy(allowed):
    MATMUL.allow_tf32 = CUDNN.allow_tf32 = allowed


def _new(matmul, conv, rnn):
    MATMUL.fp32_precision, CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision = matmul, conv, rnn


@pytest.fixture
def tf32():
    """Reads all precisions; torch's own defaults afterwards."""
    before = [part.fp32_precision for part in TF32]
    yield lambda: [part.fp32_precision for part in TF32]
    MATMUL.allow_tf32, CUDNN.allow_tf32 = False, True
    for part, precision in zip(TF32, before, strict=True):
        part.fp32_precision = precision


@pytest.mark.parametrize(
    "choose",
    [
        lambda: None,
        lambda: _legacy(True),
        lambda: _legacy(False),
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: _new("tf32", "tf32", "tf32"),
        lambda: _new("ieee", "tf32", "ieee"),
        lambda: (_legacy(True), _new("ieee", "ieee", "tf32")),
    ],
    ids=["default", "legacy-on", "legacy-off", "legacy-high", "new-on", "new-mixed", "both"],
)
def test_full_precision_whichever_switch_was_set(tf32, choose):
    choose()
    before, readable = tf32(), [(part, _allow_tf32(part)) for part in (MATMUL, CUDNN)]
    with full_precision():
        assert tf32() == ["ieee"] * 4
        assert not MATMUL.allow_tf32
        assert not CUDNN.allow_tf32
        with torch.backends.cudnn.flags(enabled=False):
            pass
    assert tf32() == before
    assert all(allowed is None or part.allow_tf32 == allowed for part, allowed in readable)
    with pytest.raises(RuntimeError, match="inside"), full_precision():
        raise RuntimeError("inside")
    assert tf32() == before


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (torch.zeros(3), "floating tensor"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "floating tensor"),
        (torch.zeros(0, 1, 4, 4), "no sample"),
        (torch.full((1, 1, 2, 2), torch.nan), "NaN or infinite"),
        (torch.full((1, 1, 2, 2), torch.inf), "NaN or infinite"),
        (torch.full((1, 1, 2, 2), 255.0), "divide 8-bit ones by 255"),
        (torch.full((1, 1, 2, 2), -0.1), r"must lie in \[0, 1\]; got \[-0.1"),
    ],
)
def test_images_are_refused(images, match):
    with pytest.raises(ValueError, match=match):
        check_images(images)


@pytest.mark.parametrize(
    ("logits", "match"),
    [
        (torch.zeros(2), "K >= 2"),
        (torch.zeros(2, 1), "K >= 2"),
        (torch.zeros(3, 4), "K >= 2"),
        (torch.tensor([[0.0, torch.nan], [0.0, 1.0]]), "NaN or infinite logits"),
        (torch.tensor([[0.25, 0.75], [1.0, 0.0]]), "look like probabilities"),
    ],
)
def test_logits_are_refused(logits, match):
    with pytest.raises(ValueError, match=match):
        check_logits(logits, 2)


def test_logits_that_only_sum_to_one_pass():
    check_logits(torch.tensor([[1.5, -0.5], [1.0, 0.0]]), 2)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (torch.tensor([0]), "whole numbers"),
        (torch.tensor([[0, 1]]), "whole numbers"),
        (torch.tensor([0.0, 1.0]), "whole numbers"),
        (torch.tensor([True, False]), "whole numbers"),
        (torch.tensor([0, 3]), r"in 0..2 \(3 logits\); got 0..3"),
        (torch.tensor([-1, 2]), "in 0..2"),
    ],
)
def test_labels_are_refused(labels, match):
    with pytest.raises(ValueError, match=match):
        check_labels(labels, 2, 3)
