"""The gallery of the documentation: a figure and a command for each study, made from a run."""

import re
from pathlib import Path

import pytest
import tiny_pages
from PIL import Image

from advcore.pipelines.article.gallery import WIDTH, gallery_page, write_gallery
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.errors import InputError

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a folder with results of every study, of one figure and one claim."""
    for study in shipped_files("studies"):
        figures = {"figures/study/chart.png": "A [chart] of it. Lines: a | b,\nc."}
        folder = tiny_pages.written(
            tmp_path / f"{study}-small", figures=figures, claims={"one": tiny_pages.claim()}
        )
        (folder / "figures" / "study").mkdir(parents=True)
        Image.new("RGBA", (2 * WIDTH, WIDTH), "white").save(folder / "figures/study/chart.png")
    return tmp_path


def test_each_study_has_its_figure_and_its_command_once(results: Path) -> None:
    page, files = gallery_page(results)
    assert set(files) == set(shipped_files("studies"))
    for study in files:
        assert page.count(f"](gallery/{study}.png)") == 1
        assert page.count(f"`advcore run {study} --small`; 1 no; [at its size](article.md#") == 1
    assert r"![A \[chart\] of it. Lines: a | b, c.](gallery/fig8.png)" in page
    assert r"`fig8`](benchmarks.md#the-claims-of-fig-8): A \[chart\] of it." in page
    assert page.index("gallery/fig1.png") < page.index("gallery/fig8.png")


def test_figures_are_made_smaller_and_those_of_former_studies_go(
    results: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    docs = tmp_path_factory.mktemp("docs")
    (docs / "gallery").mkdir()
    (docs / "gallery" / "former.png").write_bytes(b"")
    write_gallery(results, docs)
    assert {own.stem for own in (docs / "gallery").iterdir()} == set(shipped_files("studies"))
    with Image.open(docs / "gallery" / "fig8.png") as figure:
        assert figure.size == (WIDTH, WIDTH // 2)
    assert (docs / "gallery.md").read_text() == gallery_page(results)[0]


def test_a_study_without_results_is_told(results: Path) -> None:
    (results / "fig8-small" / "results.json").unlink()
    with pytest.raises(InputError, match=r"fig8 lack them: run advcore article --small --out"):
        gallery_page(results)


def test_the_gallery_of_the_documentation_has_every_study() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\(gallery/(\w+)\.png\)", page)
    assert sorted(shown) == sorted(shipped_files("studies"))
    assert {own.stem for own in (DOCS / "gallery").iterdir()} == set(shown)
