"""Charts as pictures: what is drawn, what is said, and that nothing is cut or lies over anything
else.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from tiny_charts import LONG, NAMES, clouds, falling, gallery, lines, texts, ticks_beyond, words

from advcore.pipelines.reports.figures import draw, save
from advcore.pipelines.reports.style import COLOURS
from advcore.probes import Gallery, Lines, Series
from advcore.probes.charts import medians, shares

CHARTS = {
    "four series": lines(
        [falling(name) for name in NAMES],
        references=[(10, "chance"), (11, "majority class")],
        note="A note. " * 25,
    ),
    "clouds": clouds(),
    "blocks with words": lines(
        [falling(points=21)],
        x_ticks={float(i): f"{i}\nblock {i}" for i in range(21)},
        ends=("low", "high"),
    ),
    "gallery": gallery(),
    "colour gallery": gallery(3),
    **{
        f"gallery of {columns} columns, title from letter {start}": gallery(
            title=LONG[start:], columns=columns
        )
        for columns in (1, 2, 3)
        for start in (0, 4, 17)
    },
    "symlog": lines(
        [Series("plain", torch.arange(1.0, 99), torch.linspace(5, -1, 98) ** 3)], y_scale="symlog"
    ),
    "long words": lines(
        [falling("a model with a rather long name " * 2) for _ in range(3)], y_limits=(0, 102)
    ),
}


@pytest.mark.parametrize(
    ("ticks", "turn"),
    [(("plain", "robust"), 0), (("a rather long",) * 5, 0), (("D_rand_robust",) * 12, 30)],
)
def test_words_at_ticks_are_turned_where_they_have_no_room(
    ticks: tuple[str, ...], turn: int
) -> None:
    figure = draw(
        lines([Series("a", torch.arange(len(ticks)), torch.ones(len(ticks)))], ticks=ticks)
    )
    labels = [text for text in texts(figure) if text.get_text() in ticks]
    assert [label.get_rotation() for label in labels] == [turn] * len(ticks)
    assert all(label.get_window_extent().x0 > 0 for label in labels)


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_no_words_are_cut_tiny_or_over_one_another(chart: Lines | Gallery) -> None:
    figure = draw(chart)
    found = texts(figure)
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent() for text in found]
    for box, text in zip(boxes, found, strict=True):
        assert text.get_fontsize() >= 10
        assert box.x0 >= 0, text.get_text()
        assert box.y0 >= 0, text.get_text()
        assert box.x1 <= width, text.get_text()
        assert box.y1 <= height, text.get_text()
    for i, one in enumerate(boxes):
        assert not any(
            one.shrunk(0.95, 0.9).overlaps(other.shrunk(0.95, 0.9)) for other in boxes[i + 1 :]
        )


def test_lines_show_labels_units_note_ends_and_references() -> None:
    said = words(
        draw(
            lines(
                [falling()],
                note="What it means.",
                ends=("low", "high"),
                references=[(10, "chance")],
            )
        )
    )
    for part in (
        "A title",
        "radius (pixels in [0, 1])",
        "accuracy (%)",
        "What it means.",
        "← low",
        "high →",
        "chance",
        "plain",
    ):
        assert part in said


def test_series_of_one_shade_belong_together() -> None:
    x = torch.arange(30.0)
    series = [
        Series("a", x, x, shade=2, mark=0),
        Series("b", x, x, shade=2, mark=1, style="points"),
        Series("c", x, x, style="line"),
    ]
    one, other, bare = draw(lines(series)).axes[0].get_lines()
    assert [line.get_color() for line in (one, other, bare)] == [COLOURS[2], COLOURS[2], COLOURS[2]]
    assert [line.get_marker() for line in (one, other, bare)] == ["o", "s", "none"]
    assert [line.get_linestyle() for line in (one, other, bare)] == ["-", "None", "-"]
    assert other.get_markevery() is None


@pytest.mark.parametrize(("scale", "kept"), [("linear", [0.2, 8, 9]), ("log", [0.1, 0.2, 9])])
def test_ticks_stand_at_the_numbers_asked_for_where_there_is_room(
    scale: Any, kept: list[float]
) -> None:
    values = [0.1, 0.2, 8, 9]
    figure = draw(
        lines([Series("a", torch.tensor(values), torch.ones(4))], x_scale=scale, x_ticks=values)
    )
    axis = figure.axes[0].xaxis
    texts(figure)
    assert list(axis.get_majorticklocs()) == kept
    assert [label.get_text() for label in axis.get_ticklabels()] == [f"{value:g}" for value in kept]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.2, 2.0, 4.8], ["1.5", "2", "3", "5"]),
        ([3.2, 3.5, 3.9], ["3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9"]),
        ([0.02, 0.3, 1.5], ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
        ([1.0, 30.0, 4000.0], ["1", "10", "100", "1000"]),
    ],
)
def test_the_fewer_decades_a_logarithmic_axis_shows_the_more_its_ticks(
    values: list[float], shown: list[str]
) -> None:
    series = Series("a", torch.arange(3.0), torch.tensor(values))
    figure = draw(lines([series], y_scale="log"))
    axis = figure.axes[0].yaxis
    texts(figure)
    beyond = ticks_beyond(axis)
    ticks = [tick.label1.get_text() for tick in axis.get_major_ticks() if tick not in beyond]
    assert ticks == shown


@pytest.mark.parametrize("place", [1.0, 0.25, 0.0])
def test_where_all_points_stand_at_one_place_that_alone_has_a_tick(place: float) -> None:
    figure = draw(lines([Series(name, torch.tensor([place]), torch.ones(1)) for name in "ab"]))
    axis = figure.axes[0].xaxis
    texts(figure)
    assert [label.get_text() for label in axis.get_ticklabels()] == [f"{place:g}"]


def test_ticks_are_those_of_what_is_seen_and_not_of_what_lies_outside() -> None:
    far = Series("a", torch.arange(3.0), torch.tensor([2.0, 3.0, 4000.0]))
    figure = draw(lines([far], y_scale="log", y_limits=(1.8, 6.0)))
    assert {"2", "3", "5"} <= {text.get_text() for text in texts(figure)}


def test_long_names_of_numbers_are_broken_behind_slashes() -> None:
    chart = lines([falling()])
    said = (
        draw(replace(chart, y_label="robustness/robust_accuracy/pgd-linf/0.25 of the rest"))
        .axes[0]
        .get_ylabel()
    )
    assert said == "robustness/robust_accuracy/pgd-linf/\n0.25 of the rest"


def test_series_differ_in_colour_and_marker() -> None:
    axes = draw(lines([falling(name) for name in NAMES])).axes[0]
    assert [line.get_color() for line in axes.get_lines()] == list(COLOURS[:4])
    assert len({line.get_marker() for line in axes.get_lines()}) == 4
    many = draw(lines([falling(str(i)) for i in range(10)])).axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in many}) == 10


def test_what_cannot_be_drawn_is_counted() -> None:
    x = torch.arange(4.0)
    infinite = Series(
        "a",
        x,
        torch.tensor([1, torch.inf, torch.nan, 2]),
        cloud=(x, torch.tensor([1, torch.inf, 2, 3])),
    )
    assert "3 values not finite, not drawn." in words(draw(lines([infinite])))
    assert "1 value not finite, not drawn." in words(
        draw(lines([Series("a", x, torch.tensor([1, torch.inf, 2, 3]))]))
    )
    negative = Series("a", x, torch.tensor([1.0, 0, -1, 2]))
    assert "2 values not positive, not drawn on a log scale." in words(
        draw(lines([negative], y_scale="log"))
    )
    assert "not drawn" not in words(draw(lines([negative])))
    line = draw(lines([infinite])).axes[0].get_lines()[-1]
    assert torch.isnan(torch.tensor(line.get_ydata())).tolist() == [False, True, True, False]


@pytest.mark.parametrize("style", ["points", "both"])
def test_an_interval_that_reaches_0_goes_to_the_edge_of_a_log_scale(style) -> None:
    x, low = torch.arange(3.0), torch.tensor([0.5, -0.5, torch.nan])
    series = Series("a", x, torch.tensor([1.0, 2, 3]), low, 2 * x + 3, style=style)
    said = "Intervals that reach 0 or less go to the edge of the log scale."
    figure = draw(lines([series], y_scale="log"))
    axes, band = figure.axes[0], figure.axes[0].collections[0]
    ends = [float(path.vertices[:, 1].min()) for path in band.get_paths()]
    edge = axes.get_ylim()[0]
    assert edge > 0.1  # what is below the axis does not stretch it
    if style == "points":
        assert ends[0] == pytest.approx(0.5)
        assert ends[1] == pytest.approx(edge)
    else:
        assert min(ends) == pytest.approx(edge)
    assert said in words(figure)
    within = draw(lines([series], y_scale="log", y_limits=(0.01, 10.0)))
    assert within.axes[0].get_ylim() == pytest.approx((0.01, 10))
    assert said not in words(draw(lines([series])))
    assert said not in words(draw(lines([falling()], y_scale="log")))


def test_nothing_finite_is_an_empty_chart_that_says_so() -> None:
    nothing = Series("a", torch.arange(3.0), torch.full((3,), torch.inf))
    for scale in ("linear", "log", "symlog"):
        assert "3 values not finite" in words(draw(lines([nothing], y_scale=scale)))


def test_clouds_stand_side_by_side_at_their_index_and_never_move() -> None:
    def places() -> list[torch.Tensor]:
        return [
            torch.tensor(cloud.get_offsets().filled(torch.nan)[:, 0])
            for cloud in draw(clouds(64)).axes[0].collections
        ]

    plain, adversarial = places()
    index = torch.arange(21.0).repeat_interleave(64)
    drawn = plain.isfinite()
    assert (~drawn).sum() == 3
    assert ((plain - index)[drawn] < 0).all()
    assert ((adversarial - index)[drawn] > 0).all()
    assert ((adversarial - index)[drawn] < 0.4).all()
    assert torch.equal(plain[drawn], places()[0][drawn])


def test_of_many_dots_some_stand_at_every_index_and_the_rest_are_told() -> None:
    figure = draw(clouds())
    for cloud in figure.axes[0].collections:
        places = torch.tensor(cloud.get_offsets().filled(torch.nan)[:, 0]).round()
        assert len(places) == 5376 / 4
        assert set(places[places.isfinite()].tolist()) == set(range(21))
    assert "8064 of the dots are left out for clearness; the line is over all." in words(figure)
    assert "6 values not finite, not drawn." in words(figure)


def test_far_dots_lie_outside_the_axis_and_are_told() -> None:
    x = torch.linspace(0, 1, 1000)
    y = 1 + x
    y[3], y[500] = 1e4, 1e-3
    far = Series("a", torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]), cloud=(x, y))
    figure = draw(lines([far], y_scale="log"))
    low, high = figure.axes[0].get_ylim()
    assert 0.9 < low < 1
    assert 2 < high < 2.2
    assert "2 dots lie outside the axis." in words(figure)
    assert draw(lines([far], y_scale="log", y_limits=(1e-4, None))).axes[0].get_ylim()[0] == 1e-4
    line = Series("a", torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1e4]), cloud=(x, y))
    figure = draw(lines([line], y_scale="log"))
    assert figure.axes[0].get_ylim()[1] > 1e4  # a line is never cut
    assert "1 dot lies outside" in words(figure)


def test_two_bands_a_thin_line_and_bars_around_points() -> None:
    x = torch.arange(1.0, 6)
    bands = Series("a", x, x, x - 0.1, x + 0.1, outer=(x - 1, x + 1))
    bars = Series("b", x, x, x - 0.1, x + 0.1, style="points")
    axes = draw(lines([bands, bars, Series("c", x, x, thin=True)])).axes[0]
    outer, inner, sticks = axes.collections
    assert outer.get_alpha() < inner.get_alpha()
    assert len(sticks.get_segments()) == 5
    thick, _, thin = axes.get_lines()
    assert thin.get_linewidth() < thick.get_linewidth() / 2
    assert thin.get_marker() == "none"


def test_ends_of_bands_that_are_not_finite_are_not_counted_as_values() -> None:
    x = torch.arange(3.0)
    assert "not finite" not in words(
        draw(lines([Series("a", x, x, x, torch.tensor([1, 2, torch.inf]))]))
    )


def test_ticks_with_words_stand_where_there_is_room() -> None:
    blocks = {float(i): f"{i}\n{i / 28:.2f}" for i in range(21)}
    figure = draw(lines([falling(points=21)], x_ticks=blocks))
    texts(figure)
    shown = [label.get_text() for label in figure.axes[0].xaxis.get_ticklabels()]
    assert shown[-1] == "20\n0.71"
    assert set(shown) <= set(blocks.values())
    assert 5 < len(shown) < 21


def test_medians_stand_in_their_interval_and_between_the_quartiles() -> None:
    values = torch.rand(400, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    series = medians("a", torch.arange(300.0), values)
    assert series.low is not None
    assert series.high is not None
    assert series.outer is not None
    held = ((series.low <= 0.5) & (series.high >= 0.5)).double().mean()
    assert 0.93 <= held <= 0.99
    assert (series.outer[0] < series.low).all()
    assert (series.high < series.outer[1]).all()
    few = medians("a", torch.arange(1.0), torch.tensor([[1.0], [2.0], [torch.inf]]))
    assert (few.y.item(), few.low, few.high) == (
        2.0,
        torch.tensor([1.0]),
        torch.tensor([torch.inf]),
    )


def test_shares_stand_in_wilsons_interval() -> None:
    hits = torch.zeros(10, 2, dtype=torch.bool)
    hits[:5, 1] = True
    series = shares("a", torch.arange(2.0), hits)
    assert series.y.tolist() == [0, 50]
    assert series.low is not None
    assert series.high is not None
    assert series.low.tolist() == pytest.approx([0, 23.66], abs=0.01)
    assert series.high.tolist() == pytest.approx([27.75, 76.34], abs=0.01)


def test_a_cloud_over_a_continuous_axis_stays_where_it_is() -> None:
    x = torch.linspace(0, 1, 5)
    cloud = draw(lines([Series("a", x, x, cloud=(x, x))])).axes[0].collections[0]
    assert torch.equal(torch.tensor(cloud.get_offsets().data[:, 0]), x.double())


def test_bands_limits_and_scales() -> None:
    x = torch.arange(1.0, 6)
    axes = draw(lines([Series("a", x, x, x / 2, x * 2)], x_scale="log", y_limits=(0, 20))).axes[0]
    assert axes.collections[0].get_alpha() == 0.2
    assert axes.get_xscale() == "log"
    assert axes.get_ylim() == (0, 20)


def test_a_picture_is_written_whole_and_the_same_each_time(tmp_path: Path) -> None:
    path = save(lines([falling()]), tmp_path / "figures")
    first = path.read_bytes()
    assert path == tmp_path / "figures" / "chart.png"
    assert first.startswith(b"\x89PNG")
    assert save(lines([falling()]), tmp_path / "figures").read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["chart.png"]


def test_a_failure_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(lines([falling()]), tmp_path)
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space left"):
        save(lines([falling("other")]), tmp_path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]
