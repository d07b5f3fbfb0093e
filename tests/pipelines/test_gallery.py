"""The gallery of the documentation: a figure and a command for each study, made from a run."""

import json
import re
from pathlib import Path

import pytest
import tiny_pages
import yaml
from PIL import Image

from advcore.pipelines.article.contents import read_contents
from advcore.pipelines.article.gallery import WIDTH, gallery_page, main, write_gallery
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.errors import InputError

DOCS = Path(__file__).parents[2] / "docs"
FIGURES, CHART = read_contents().figures, "study/chart.png"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Return the study.yaml of each study's small version."""
    return {
        study: yaml.safe_dump(schema.unstructure(read_study(study, (), True)), sort_keys=False)
        for study in shipped_files("studies")
    }


@pytest.fixture
def results(tmp_path: Path, settings: dict[str, str]) -> Path:
    """Return a folder with results of every study, of one figure and one claim."""
    for study in shipped_files("studies"):
        file = f"figures/{FIGURES.get(study, CHART)}"
        figures = {file: "A [chart] of it. Lines: a | b,\nc."}
        folder = tiny_pages.written(
            tmp_path / f"{study}-small", figures=figures, claims={"one": tiny_pages.claim()}
        )
        (folder / "study.yaml").write_text(settings[study])
        (folder / file).parent.mkdir(parents=True)
        size = (2 * WIDTH, WIDTH) if study == "fig8" else (4, 2)
        Image.new("RGBA", size, "white").save(folder / file)
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


def changed(folder: Path, **values: object) -> None:
    """Put values into a study's results."""
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(results | values))


def test_a_study_without_results_is_told(results: Path) -> None:
    (results / "fig8-small" / "results.json").unlink()
    with pytest.raises(InputError, match=r"; fig8 has no results: run advcore article --small"):
        gallery_page(results)


def test_results_that_lack_something_are_refused(results: Path) -> None:
    changed(results / "fig8-small", missing=["2 failed"], complete=False)
    changed(results / "fig10-small", complete=False)
    changed(results / "exact-small", figures={})
    with pytest.raises(InputError) as refused:
        gallery_page(results)
    assert "fig8 is not complete (2 failed)" in str(refused.value)
    assert "fig10 is not complete (its results say so" in str(refused.value)
    assert "exact has no figure" in str(refused.value)


def test_results_of_other_settings_are_refused(results: Path, settings: dict[str, str]) -> None:
    other = settings["exact"].replace("samples: 20", "samples: 10")
    (results / "exact-small" / "study.yaml").write_text(other)
    said = r"exact was run with other settings \(data_sets.test.samples 10 in place of 20\):"
    with pytest.raises(InputError, match=said):
        gallery_page(results)


def test_a_chosen_figure_that_is_not_there_is_refused(results: Path) -> None:
    study, figure = next(iter(FIGURES.items()))
    folder = results / f"{study}-small"
    (folder / "figures" / figure).rename(folder / "figures" / "other.png")
    changed(folder, figures={f"figures/{figure}": "the chosen", "figures/other.png": "another"})
    with pytest.raises(InputError, match=f"{study} lacks figures/{figure}, which contents.yaml"):
        gallery_page(results)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\x00", "half"])
def test_a_corrupt_figure_leaves_the_gallery_as_it_was(
    results: Path, tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    docs = tmp_path_factory.mktemp("docs")
    (docs / "gallery").mkdir()
    (docs / "gallery" / "fig8.png").write_bytes(b"old")
    figure = results / "tradeoff-small" / "figures" / FIGURES.get("tradeoff", CHART)
    half = figure.read_bytes()[: figure.stat().st_size // 2]
    figure.write_bytes(half if isinstance(content, str) else content)
    with pytest.raises(InputError, match=r"tradeoff-small.*\.png: expected a picture.*again"):
        write_gallery(results, docs)
    assert [own.name for own in docs.rglob("*.*")] == ["fig8.png"]
    assert (docs / "gallery" / "fig8.png").read_bytes() == b"old"


def test_the_command_refuses_in_one_line(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["results"], ["a", "b", "c"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith("usage: python -m advcore.pipelines.article")
    for arguments in ([str(tmp_path / "none"), str(tmp_path)], [str(results), "no/such/folder"]):
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert told.err.startswith("gallery: ")


def test_the_gallery_of_the_documentation_has_every_study() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\(gallery/(\w+)\.png\)", page)
    assert sorted(shown) == sorted(shipped_files("studies"))
    assert {own.stem for own in (DOCS / "gallery").iterdir()} == set(shown)
