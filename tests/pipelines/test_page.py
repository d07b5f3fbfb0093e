"""The page of a study's results: what it shows, that all of it is escaped, and that it stands
alone.
"""

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pages import HOSTILE, claim, written

from advcore.pipelines.reports.page import page_of, render_page
from advcore.pipelines.reports.page.contents import ROWS
from advcore.pipelines.reports.page.intervals import draw_interval, expected_range
from advcore.pipelines.reports.page.lineage import ACROSS, HEIGHT, WIDTH, draw_lineage
from advcore.pipelines.reports.text import VERDICTS
from advcore.pipelines.reports.words_of_charts import alt_text
from advcore.probes import Gallery, Lines, Maps, Panel
from advcore.probes.charts import Series


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of all cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for own, attributes in self.found if own == tag]


def test_claims_numbers_and_settings_are_shown(tmp_path: Path) -> None:
    page = render_page(page_of(written(tmp_path / "r")))
    for text in (
        "a ratio",
        "&gt;= 0.5",
        "0.3",
        "0.2 to 0.4",
        "3 seeds",
        "2.5",
        "torch",
        "name: tiny",
    ):
        assert text in page
    assert "verdict no" in {own.get("class") for own in Elements(page).named("span")}


def test_page_and_report_say_by_what_a_bound_is_judged(tmp_path: Path) -> None:
    said = "Claims that a bound holds are judged by the samples that were measured alone"
    assert said in render_page(page_of(written(tmp_path / "r")))
    assert said in VERDICTS


@pytest.mark.parametrize(
    "changes",
    [
        {"study": HOSTILE},
        {"missing": [HOSTILE]},
        {"scalars": {HOSTILE: {HOSTILE: {HOSTILE: 1.0}}}, "meanings": {}},
        {"scalars": {"p": {"m": {"n": 1.0}}}, "meanings": {"p": {"m": {"n": HOSTILE}}}},
        {"claims": {HOSTILE: claim(says=HOSTILE, expected=HOSTILE, resampled=HOSTILE)}},
        {"claims": {"a": {"says": "a", "expected": "-", "not_measured": HOSTILE}}},
        {"warnings": {HOSTILE: {HOSTILE: HOSTILE}}},
        {"versions": {HOSTILE: HOSTILE}},
        {"data_sets": {HOSTILE: {HOSTILE: 1.0}}},
        {
            "lineage": {
                "nodes": {HOSTILE: {"role": "model", "name": HOSTILE, "about": HOSTILE}},
                "edges": [],
            }
        },
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_a_study_is_called_nothing_of_it_runs(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    plain = Elements(render_page(page_of(written(tmp_path / "plain"))))
    page = render_page(page_of(written(tmp_path / "r", **changes)))
    found = Elements(page)
    assert "<script>alert" not in page
    assert found.named("script") == plain.named("script") == [{}]
    assert not found.named("img")
    assert not [name for _, own in found.found for name in own if name.startswith("on")]


def test_hostile_files_are_escaped_too(tmp_path: Path) -> None:
    folder = written(tmp_path / "r", figures={"figures/a/b.svg": HOSTILE})
    (folder / "study.yaml").write_text(HOSTILE)
    (folder / "tables" / "own.csv").write_text(f'a,b\n1,"{HOSTILE.replace(chr(34), "")}"\n')
    page = render_page(page_of(folder, {"figures/a/b.svg": f"<svg>{HOSTILE}</svg>"}))
    assert "<script>alert" not in page
    assert [own["alt"] for own in Elements(page).named("img")] == []  # no section of that name
    folder = written(tmp_path / "s", figures={"figures/margins/b.svg": HOSTILE})
    page = render_page(page_of(folder, {"figures/margins/b.svg": f"<svg>{HOSTILE}</svg>"}))
    assert [own["alt"] for own in Elements(page).named("img")] == [HOSTILE]


def test_it_asks_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    folder = written(tmp_path / "r", figures={"figures/margins/a.png": "words"})
    (folder / "figures" / "margins").mkdir(parents=True)
    (folder / "figures" / "margins" / "a.png").write_bytes(b"\x89PNG")
    page = render_page(page_of(folder))
    addresses = [
        own.get(name) or ""
        for _, own in Elements(page).found
        for name in ("src", "href")
        if own.get(name)
    ]
    assert addresses
    assert all(own.startswith(("#", "data:")) for own in addresses)
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import", page)


def test_the_policy_lets_the_page_s_own_script_run(tmp_path: Path) -> None:
    import base64
    import hashlib

    page = render_page(page_of(written(tmp_path / "r")))
    found = re.search(r"<script>(.*)</script>", page, re.DOTALL)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_few_models_are_columns_and_many_are_rows(tmp_path: Path) -> None:
    (few,) = page_of(written(tmp_path / "few")).sections
    assert few.tables[0].head == ["number", "plain", "robust", "meaning"]
    assert [cell.text for cell in few.tables[0].rows[0]] == ["median", "1.5", "2.5", "l2"]
    assert [cell.number for cell in few.tables[0].rows[1]][1] == math.inf
    many = {"margins": {f"model {i}": {"median": float(i)} for i in range(9)}}
    (section,) = page_of(written(tmp_path / "many", scalars=many)).sections
    assert section.tables[0].head == ["name", "median"]
    assert [row[1].number for row in section.tables[0].rows] == list(range(9))
    assert section.meanings == [("median", "l2")]


def test_a_meaning_that_differs_says_for_which_model(tmp_path: Path) -> None:
    meanings = {"margins": {"plain": {"median": "of 8"}, "robust": {"median": "of 7"}}}
    (section,) = page_of(written(tmp_path / "r", meanings=meanings)).sections
    assert section.tables[0].rows[0][-1].text == "plain: of 8; robust: of 7"


def test_long_tables_are_cut_and_say_so(tmp_path: Path) -> None:
    folder = written(tmp_path / "r", scalars={})
    lines = ["a,b", *(f"{i},x" for i in range(ROWS + 5))]
    (folder / "tables" / "own.csv").write_text("\n".join(lines) + "\n")
    page = page_of(folder)
    assert [len(own.tables[0].rows) for own in page.sections] == [ROWS]
    assert "5 more rows are in the files" in render_page(page)


def test_a_claim_that_was_not_measured_says_why(tmp_path: Path) -> None:
    lost = {"says": "a", "expected": ">= 1", "not_measured": "not measured: no rows"}
    page = page_of(written(tmp_path / "r", claims={"a": lost}))
    assert page.verdicts == {}
    assert "not measured: no rows" in render_page(page)


@pytest.mark.parametrize(
    ("words", "bounds"),
    [
        (">= 0.5", (0.5, math.inf)),
        ("<= -1", (-math.inf, -1)),
        ("0 to 1e-05", (0, 1e-5)),
        ("-", (-math.inf, math.inf)),
    ],
)
def test_what_is_expected_is_read_back(words: str, bounds: tuple[float, float]) -> None:
    assert expected_range(words) == bounds


def test_an_interval_lies_where_its_numbers_do() -> None:
    drawn = draw_interval(claim(value=1.0, low=0.0, high=2.0, expected=">= 1"))
    assert drawn
    assert drawn.low < (drawn.value or 0) < drawn.high
    assert drawn.value == pytest.approx(50)
    assert drawn.expected == (pytest.approx(50), 100)
    assert drawn.low == pytest.approx(100 - drawn.high)


def test_numbers_that_are_not_finite_reach_to_the_end() -> None:
    drawn = draw_interval(claim(value=1.0, low="-inf", high=2.0))
    assert drawn
    assert (drawn.low, drawn.value is not None) == (0, True)
    lost = draw_interval(claim(value="nan", low="nan", high="nan"))
    assert lost
    assert (lost.low, lost.high, lost.value) == (0, 100, None)
    assert draw_interval(claim(value="inf", low="inf", high="inf", expected="-")) is None


def test_zero_is_in_sight_where_nothing_is_expected() -> None:
    drawn = draw_interval(claim(value=5.0, low=4.0, high=6.0, expected="-"))
    assert drawn
    assert drawn.zero is not None
    assert drawn.zero < drawn.low


def test_boxes_stand_right_of_what_they_come_of() -> None:
    nodes = {name: {"role": "model", "name": name, "about": ""} for name in "abcd"}
    drawn = draw_lineage(
        {"nodes": nodes, "edges": [["a", "b"], ["b", "c"], ["a", "c"], ["d", "c"]]}
    )
    left = {box.name: box.x for box in drawn.boxes}
    assert left["a"] == left["d"] < left["b"] < left["c"]
    assert drawn.width == 2 + 3 * (WIDTH + ACROSS) - ACROSS
    corners = {(box.x, box.y) for box in drawn.boxes}
    assert len(corners) == 4
    assert all(0 < y <= drawn.height - HEIGHT for _, y in corners)
    assert "model c comes of b, a, d" in drawn.words


def test_charts_have_words_for_those_who_cannot_see_them() -> None:
    x = torch.arange(2.0)
    lines = Lines("a", "Margins", "eps (pixels)", "share (%)", [Series("plain", x, x)], "A note.")
    assert alt_text(lines) == "Margins. share (%) over eps (pixels). Lines: plain. A note."
    panel = Panel(torch.zeros(1, 2, 2), "")
    gallery = Gallery("a", "Pictures", [[panel, panel]], ["clean"], ["1", "2"])
    assert alt_text(gallery) == "Pictures. 1 row of 2 pictures. Rows: clean."
    maps = Maps("a", "Loss", "along g", "along r", [(x, "one")], (0, 1), (0, 1), "loss")
    assert alt_text(maps) == "Loss. Maps of loss, along r over along g. Panels: one."
