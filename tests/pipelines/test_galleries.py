"""Galleries as pictures: grey, colour and signed images, each with its words."""

import pytest
import torch
from tiny_charts import gallery, words

from advcore.pipelines.reports.figures import draw
from advcore.probes import Gallery, Panel


def test_galleries_draw_grey_colour_and_signed() -> None:
    figure = draw(gallery())
    assert len(figure.axes) == 24
    plain, signed = figure.axes[0].images[0], figure.axes[1].images[0]
    assert (plain.cmap.name, plain.get_clim()) == ("gray", (0, 1))
    assert (signed.cmap.name, signed.get_clim()) == ("RdBu_r", (-0.5, 0.5))
    coloured = draw(gallery(3)).axes[1].images[0].get_array()
    assert coloured.shape == (8, 8, 3)
    assert (coloured.min(), coloured.max()) == (0, 1)
    said = words(figure)
    for part in (
        "architecture=perceptron",
        "sample 5",
        "adversarial: perturbation",
        "7 → 3",
        "Scaled to be seen.",
    ):
        assert part in said


def test_a_gallery_counts_pixels_that_are_not_finite() -> None:
    image = torch.zeros(1, 2, 2)
    image[0, 0] = torch.nan
    assert "2 pixels not finite, drawn as 0." in words(
        draw(Gallery("g", "t", [[Panel(image, "c")]], ["r"], ["h"]))
    )


def test_a_gallery_that_does_not_fit_is_refused() -> None:
    panel = Panel(torch.zeros(2, 4, 4), "")
    with pytest.raises(
        ValueError,
        match=(
            r"expected an image \(C, H, W\) of 1 or 3 channels, got shape \(2, 4, 4\); pick "
            r"the channels"
        ),
    ):
        draw(Gallery("g", "t", [[panel]], ["r"], ["h"]))
    with pytest.raises(
        ValueError,
        match=(
            r"gallery 'g': expected pictures and a label for each row and column, got 0 rows "
            r"of 0"
        ),
    ):
        draw(Gallery("g", "t", [], [], []))
    with pytest.raises(ValueError, match=r"got 1 rows of 1, 2 and 1 labels; add them"):
        draw(Gallery("g", "t", [[panel]], ["r", "s"], ["h"]))
