"""Measures of maps against their closed forms."""

import math

import oracles
import pytest
import torch
from torch import nn

from advcore.explain.deletion import area_under, deletion_curve, pixel_order
from advcore.explain.image_alignment import absolute_cosine, alignment, half_turn, mean_free
from advcore.explain.map_measures import gini, map_cosine, total_variation

PICTURES = oracles.images(3)


class Brightness(nn.Module):
    """Logits `[ln(1 + s), 0]`, s the sum of the pixels: probability (1 + s) / (2 + s)."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        own = pictures.flatten(1).sum(1).log1p()
        return torch.stack([own, torch.zeros_like(own)], 1)


def test_alignment_with_a_linear_classifiers_normal_is_the_distance_to_its_boundary():
    inputs = torch.randn(5, 7, dtype=torch.float64)
    normal = torch.randn(7, dtype=torch.float64).expand(5, 7)
    expected = (inputs @ normal[0]).abs() / normal[0].norm()
    torch.testing.assert_close(alignment(inputs, 3 * normal), expected)
    torch.testing.assert_close(absolute_cosine(inputs, normal), expected / inputs.norm(dim=1))


def test_a_vector_is_aligned_with_itself_whatever_its_sign_and_scale():
    assert absolute_cosine(PICTURES, -2 * PICTURES).tolist() == pytest.approx([1, 1, 1])
    assert absolute_cosine(mean_free(PICTURES), torch.ones_like(PICTURES)).max() < 1e-12
    torch.testing.assert_close(
        map_cosine(PICTURES, -2 * PICTURES), -torch.ones(3, dtype=torch.float64)
    )


def test_alignment_of_nothing_is_no_number():
    assert alignment(PICTURES, torch.zeros_like(PICTURES)).isnan().all()
    assert absolute_cosine(torch.zeros_like(PICTURES), PICTURES).isnan().all()


def test_half_a_turn_twice_is_the_picture():
    assert torch.equal(half_turn(half_turn(PICTURES)), PICTURES)
    assert half_turn(PICTURES)[0, 0, 0, 0] == PICTURES[0, 0, -1, -1]


def test_gini_of_equal_pixels_is_0_and_of_one_pixel_is_1_less_its_share():
    equal, single = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    single[0, 0, 1, 2] = -3.0
    assert gini(torch.cat([equal, single])).tolist() == pytest.approx([0, 1 - 1 / 16])
    assert gini(torch.tensor([[1.0, 3.0]])).tolist() == pytest.approx([0.25])


def test_total_variation_counts_the_edges_of_a_pixel():
    flat, single = torch.full((1, 1, 5, 5), -2.0), torch.zeros(1, 1, 5, 5)
    single[0, 0, 2, 2] = 7.0
    assert total_variation(torch.cat([flat, single])).tolist() == [0, 4]
    half = torch.cat([torch.zeros(1, 1, 4, 2), torch.ones(1, 1, 4, 2)], 3)
    assert total_variation(half).tolist() == [4 / 8]


def test_the_order_of_pixels_is_by_their_sum_over_channels():
    maps = torch.tensor([[[[1.0, -5.0]], [[1.0, 9.0]]]])
    assert pixel_order(maps).tolist() == [[1, 0]]


@pytest.mark.parametrize("insert", [False, True])
def test_curves_are_the_probabilities_of_what_is_left(insert):
    order = pixel_order(PICTURES)
    labels = torch.zeros(3, dtype=torch.int64)
    curve = deletion_curve(Brightness(), PICTURES, labels, order, points=4, insert=insert)
    ordered = PICTURES.flatten(1).sort(1, descending=True).values
    for j in range(5):
        kept = ordered[:, : 4 * j] if insert else ordered[:, 4 * j :]
        total = kept.sum(1)
        torch.testing.assert_close(curve[:, j], (1 + total) / (2 + total))


def test_the_brightest_first_takes_most_away():
    labels, order = torch.zeros(3, dtype=torch.int64), pixel_order(PICTURES)
    best, worst = (
        area_under(deletion_curve(Brightness(), PICTURES, labels, own, points=16))
        for own in (order, order.flip(1))
    )
    assert (best < worst).all()


def test_the_area_under_a_straight_line_is_its_mean():
    line = torch.linspace(1, 0, 11)[None]
    assert area_under(line).item() == pytest.approx(0.5)
    assert area_under(torch.full((1, 3), math.pi)).item() == pytest.approx(math.pi)
