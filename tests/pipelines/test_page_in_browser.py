"""The page of a study in a real browser: nothing is asked for, nothing fails, tables sort."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_pages import HOSTILE, claim, written

from advcore.pipelines.article.contents import Contents, Entry, Section
from advcore.pipelines.article.index import index_of, write_index
from advcore.pipelines.reports.page import page_of, render_page

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def listened(page: Any) -> tuple[list[str], list[str]]:
    """Return lists that grow with what a page asks for, and what it says."""
    asked, said = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    return asked, said


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[tuple[Any, list[str], list[str]]]:
    """The page, what it asked for beside itself, and what its console said."""
    claims = {
        "a": claim(says="b words", value=10.0, low=9.0, high=11.0, verdict="yes"),
        "b": claim(says="a words", value=9.0, low=8.0, high=10.0, verdict="yes"),
        "c": claim(says=HOSTILE, value=-3.0, low=-4.0, high=-2.0),
        "d": {"says": "lost", "expected": "-", "not_measured": "not measured"},
    }
    file = tmp_path / "report.html"
    file.write_text(render_page(page_of(written(tmp_path / "r", claims=claims))))
    page = browser.new_page()
    asked, said = listened(page)
    page.goto(file.as_uri())
    yield page, [url for url in asked if url != file.as_uri() and not url.startswith("data:")], said
    page.close()


def column(page: Any, number: int) -> list[str]:
    return page.locator(f"table.claims tbody tr > :nth-child({number})").all_inner_texts()


def test_it_is_quiet(opened: tuple[Any, list[str], list[str]]) -> None:
    page, asked, said = opened
    assert page.title() == "tiny"
    assert page.locator("svg.interval").count() == 3
    assert (asked, said) == ([], [])


def test_claims_sort_by_number_and_come_back(opened: tuple[Any, list[str], list[str]]) -> None:
    page, _, said = opened
    before = column(page, 1)
    head = page.locator("table.claims thead th").nth(3)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 1)[:3] == [HOSTILE, "a words", "b words"]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 1)[-3:] == ["b words", "a words", HOSTILE]
    head.get_by_role("button").click()
    assert column(page, 1) == before
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_phone(opened: tuple[Any, list[str], list[str]], scheme: Any) -> None:
    page, _, _ = opened
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]  # tables scroll by themselves, not the page
    ground, text = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    light, dark = (sum(map(int, own[4:-1].split(","))) for own in (ground, text))
    assert (light > dark) == (scheme == "light")


def test_the_page_of_the_article_leads_to_its_studies(browser: Any, tmp_path: Path) -> None:
    claims = {f"c{i}": claim(says=f"claim {i} {HOSTILE}") for i in range(8)}
    for name in ("one", "two"):
        folder = written(tmp_path / name, claims=claims if name == "one" else {"c0": claim()})
        (folder / "report.html").write_text(render_page(page_of(folder)))
    entry = Entry("figA", "Figure A", HOSTILE, {"one": (), "two": (), "three": ()}, HOSTILE)
    names = {name: name for name in ("one", "two", "three")}
    index = index_of(
        Contents((Section("first", (entry,)),)), names, tmp_path, {"three": HOSTILE}, "All", "x"
    )
    file = write_index(index, tmp_path / "article")
    page = browser.new_page(viewport={"width": 360, "height": 700})
    asked, said = listened(page)
    page.goto(file.as_uri())
    assert [url for url in asked if url != file.as_uri() and not url.startswith("data:")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    claim_0 = page.get_by_text("claim 0").first
    assert not claim_0.is_visible()
    page.get_by_text("8 claims").click()
    assert claim_0.is_visible()
    page.locator("#study-two").get_by_role("link", name="two").click()
    assert page.url == (tmp_path / "two" / "report.html").as_uri()
    assert said == []
    page.close()
