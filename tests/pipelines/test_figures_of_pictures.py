"""Figures of pictures: the same samples below each other, with what several networks say."""

from dataclasses import replace

import pytest
import torch

from advcore.pipelines.claims import Among, Numbers
from advcore.pipelines.figures import Caption, PicturesOf
from advcore.pipelines.reports.figures import draw
from advcore.probes import Gallery
from advcore.randomness import drawn_places

COUNT = 12
IMAGES = torch.rand(2, COUNT, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def tables():
    """A judge's rows, sure of the samples from 4 of those after; a network's, at two seeds."""
    sample = torch.arange(COUNT)
    judged = {
        "data": ["before"] * COUNT + ["after"] * COUNT,
        "sample": sample.repeat(2),
        "image": IMAGES.flatten(0, 1),
        "prediction": torch.cat([sample % 3, 5 + sample % 3]),
        "confidence": torch.cat([torch.ones(COUNT), (sample >= 4).double()]),
    }
    answers = {
        "data": judged["data"] * 2,
        "seed": torch.arange(2).repeat_interleave(2 * COUNT),
        "sample": sample.repeat(4),
        "prediction": torch.arange(4 * COUNT),
    }
    return {"judged": {"": judged}, "answers": {"": answers}}


FIGURE = PicturesOf(
    "pairs",
    Numbers(
        "judged",
        column="image",
        over="data",
        where={"data": ["before", "after"]},
        among=Among("judged", "confidence", {"data": "after"}, at_least=0.9),
    ),
    {
        "judge": Caption("judged", "prediction"),
        "plain": Caption("answers", "prediction", where={"seed": 1}),
    },
    count=5,
)


def test_samples_that_count_stand_below_each_other_with_their_captions():
    chart = FIGURE.chart("pairs", {"": FIGURE}, tables())
    assert isinstance(chart, Gallery)
    assert chart.row_labels == ["before", "after", "difference"]
    counted = torch.arange(4, COUNT)
    drawn = counted[drawn_places(counted).argsort()[:5]]
    assert chart.note == "5 of 8 samples, drawn by a hash."
    for column, sample in enumerate(drawn.tolist()):
        before, after, difference = (row[column] for row in chart.rows)
        assert torch.equal(before.image, IMAGES[0, sample])
        assert torch.equal(after.image, IMAGES[1, sample])
        assert torch.equal(difference.image, after.image - before.image)
        assert difference.signed
        said = 2 * COUNT + sample
        assert before.caption == f"sample {sample}\njudge {sample % 3}\nplain {said}"
        assert after.caption == f"sample {sample}\njudge {5 + sample % 3}\nplain {said + COUNT}"
    assert draw(chart).get_size_inches()[1] > 3 * (1.55 + 0.36 + 2 * 0.18)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"captions": {"a": Caption("answers", "prediction")}}, "several rows of a sample"),
        ({"captions": {"a": Caption("answers", "said")}}, "has no column 'said'"),
        (
            {"captions": {"a": Caption("judged", "prediction", where={"data": "after"})}},
            "no row of sample 4 at before",
        ),
        (
            {"captions": {"a": Caption("judged", "image")}},
            r"one number or word .* \(1, 4, 4\)",
        ),
        ({"of": replace(FIGURE.of, column="prediction")}, "must hold pictures"),
        ({"of": replace(FIGURE.of, among=Among("judged", "confidence", at_least=2))}, "no sample"),
    ],
)
def test_what_cannot_be_drawn_is_said(changes, match):
    figure = replace(FIGURE, **changes)
    with pytest.raises(LookupError, match=match):
        figure.chart("pairs", {"": figure}, tables())


def test_pictures_that_lack_the_axis_have_a_label_of_their_own():
    rows = tables()
    rows["judged"][""]["data"] = [""] * COUNT + ["fog"] * COUNT
    figure = PicturesOf("x", Numbers("judged", column="image", over="data"), lacking="clean")
    assert figure.chart("x", {"": figure}, rows).row_labels == ["clean", "fog", "difference"]


def test_settings_that_draw_nothing():
    with pytest.raises(ValueError, match=r"give of\.over and count; got None and 8"):
        PicturesOf("p", replace(FIGURE.of, over=None))
    with pytest.raises(ValueError, match=r"give of\.over and count; got 'data' and 0"):
        replace(FIGURE, count=0)


def test_words_stand_below_pictures_as_they_are():
    figure = replace(FIGURE, captions={"in": Caption("judged", "data")})
    before, after, _ = (row[0].caption for row in figure.chart("p", {"": figure}, tables()).rows)
    assert before.endswith("\nin before")
    assert after.endswith("\nin after")
