"""Maps as pictures: the right panels, ticks, colours and words."""

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, to_rgba

from advcore.pipelines.reports.colours import PALETTE
from advcore.pipelines.reports.figures import draw, save
from advcore.probes import Maps, Mark


def maps(panels, **more):
    labels = {
        "x_label": "along r (pixels)",
        "y_label": "across (pixels)",
        "value_label": "loss (nats)",
    }
    limits = {"x_limits": (-2.0, 2.0), "y_limits": (-1.0, 1.0)}
    return Maps("chart", "A title", panels=panels, **{**labels, **limits, **more})


def ramp(rows=4, columns=6):
    return torch.arange(1.0, rows * columns + 1).view(rows, columns)


def _panels(figure):
    return [axes for axes in figure.axes if axes.images and axes.get_title()]


def test_panels_share_one_scale_and_point_upwards():
    figure = draw(maps([(ramp(), "one"), (10 * ramp(), "two")], origin=True))
    first, second = _panels(figure)
    assert [axes.get_title() for axes in (first, second)] == ["one", "two"]
    for axes in (first, second):
        (image,) = axes.images
        assert image.get_extent() == [-2, 2, -1, 1]
        assert image.origin == "lower"
        assert image.get_clim() == (1, 240)
        assert len(axes.lines) == 1  # the point (0, 0)
    words = {text.get_text() for text in figure.texts}
    assert {"A title", "along r (pixels)", "across (pixels)"} <= words
    assert figure.axes[-1].get_ylabel() == "loss (nats)"


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_captions_of_several_lines_have_room_above_their_panels(lines):
    caption = "\n".join(["plain, sample 3:"] * lines)
    figure = draw(maps([(ramp(), caption)] * 5))
    FigureCanvasAgg(figure).draw()
    axes = _panels(figure)
    assert {panel.get_title() for panel in axes} == {caption}
    assert axes[4].title.get_window_extent().y1 <= axes[0].get_window_extent().y0


@pytest.mark.parametrize(("across", "columns", "rows"), [(2, 2, 3), (4, 4, 2), (9, 5, 1)])
def test_so_many_panels_stand_in_a_row(across, columns, rows):
    places = [
        axes.get_position() for axes in _panels(draw(maps([(ramp(), "one")] * 5, across=across)))
    ]
    assert len({round(place.x0, 6) for place in places}) == columns
    assert len({round(place.y0, 6) for place in places}) == rows


def test_what_is_not_finite_is_counted_and_grey():
    values = ramp()
    values[0, 0] = torch.inf
    figure = draw(maps([(values, "one")], scale="log", note="A note."))
    (axes,) = _panels(figure)
    assert axes.images[0].get_array().mask.sum() == 1
    assert isinstance(axes.images[0].norm, LogNorm)
    assert any(text.get_text() == "A note. 1 value not finite, in grey." for text in figure.texts)


def test_classes_have_a_legend_of_those_that_occur():
    classes = torch.tensor([[0, 2], [2, 11]])
    figure = draw(
        maps(
            [(classes, "one")],
            categories=[f"class {i}" for i in range(12)],
            value_label="predicted",
        )
    )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["class 0", "class 2", "class 11"]
    (axes,) = _panels(figure)
    image = axes.images[0]
    assert image.cmap(image.norm(11)) == to_rgba(PALETTE[1])
    assert legend.get_title().get_text() == "predicted"


@pytest.mark.parametrize("names", [("a", "b", "c"), ("a network with a long name", "b", "c")])
def test_a_table_names_its_rows_and_columns_and_bears_its_values(names):
    rates = torch.tensor([[100.0, 12.34, 0.0], [torch.nan, 50.0, 99.96]])
    figure = draw(
        maps(
            [(rates, "one")] * 5,
            x_names=names,
            y_names=names[:2],
            value_limits=(0.0, 200.0),
            x_limits=(0, 3),
        )
    )
    FigureCanvasAgg(figure).draw()
    first, *_, last = _panels(figure)
    assert [label.get_text() for label in last.get_xticklabels()] == list(names)
    assert [label.get_text() for label in first.get_yticklabels()] == list(names[:2])
    assert {label.get_rotation() for label in last.get_xticklabels()} == {
        90 if len(names[0]) > 1 else 0
    }
    cells = {text.get_position(): (text.get_text(), text.get_color()) for text in first.texts}
    assert cells[0.5, -0.5] == ("100", "white")  # x limits of 3 columns, y limits -1 to 1 of 2 rows
    assert cells[2.5, 0.5] == ("100", "white")
    assert cells[0.5, 0.5] == ("nan", "black")
    assert first.images[0].get_clim() == (0, 200)
    boxes = [
        label.get_window_extent() for label in [*first.get_yticklabels(), *last.get_xticklabels()]
    ]
    words = [text.get_window_extent() for text in figure.texts]
    assert all(min(box.x0, box.y0) >= 0 for box in boxes)
    assert not any(box.overlaps(word) for box in boxes for word in words)


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
@pytest.mark.parametrize(
    "values", [torch.zeros(2, 2), torch.full((2, 2), torch.nan), -ramp(), torch.full((2, 2), 3.0)]
)
def test_odd_values_are_drawn(tmp_path, scale, values):
    assert save(maps([(values, "one")] * 5, scale=scale), tmp_path).stat().st_size > 5000


@pytest.mark.parametrize("panels", [[], [(torch.zeros(3), "flat")]])
def test_bad_panels_are_refused(panels):
    with pytest.raises(ValueError, match=r"expected at least one panel, each \(rows, columns\)"):
        draw(maps(panels))


def test_panels_that_are_not_to_be_compared_have_scales_of_their_own():
    figure = draw(
        maps(
            [(ramp(), "one"), (0.01 * ramp(), "two"), (10 * ramp(), "three")],
            colours="own",
            across=2,
        )
    )
    FigureCanvasAgg(figure).draw()
    panels = _panels(figure)
    assert [axes.images[0].get_clim() for axes in panels] == [
        (1, 24),
        pytest.approx((0.01, 0.24)),
        (10, 240),
    ]
    bars = [axes for axes in figure.axes if axes not in panels]
    assert len(bars) == 3
    for panel, bar in zip(panels, bars, strict=True):
        box, beside = panel.get_position(), bar.get_position()
        assert beside.x0 >= box.x1
        assert beside.y0 == pytest.approx(box.y0)
        for label in bar.yaxis.get_ticklabels():
            assert not any(
                label.get_window_extent().overlaps(other.get_window_extent()) for other in panels
            )


def test_marks_stand_in_their_panel_within_extents_of_its_own():
    extents = [(-2.0, 2.0, -1.0, 1.0), (-6.0, 6.0, -3.0, 3.0)]
    marks = [[Mark(1.5, 0.5, "r")], [Mark(5.0, 0.0, "r"), Mark(7.0, 0.0, "outside")]]
    figure = draw(maps([(ramp(), "one"), (ramp(), "two")], marks=marks, extents=extents))
    FigureCanvasAgg(figure).draw()
    first, second = _panels(figure)
    assert first.images[0].get_extent() == [-2, 2, -1, 1]
    assert second.images[0].get_extent() == [-6, 6, -3, 3]
    assert [text.get_text() for text in second.texts] == ["r"]
    assert [tuple(line.get_xdata()) for line in second.lines] == [(5.0,)]
    assert all(
        any(label.get_visible() for label in axes.get_xticklabels()) for axes in (first, second)
    )


@pytest.mark.parametrize("name", ["marks", "extents"])
def test_marks_or_extents_for_other_panels_are_refused(name):
    with pytest.raises(ValueError, match=f"expected {name} for each of 2 panels, got 1"):
        draw(maps([(ramp(), "one"), (ramp(), "two")], **{name: [(0, 1, 0, 1)]}))
