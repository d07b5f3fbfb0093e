"""The page of the article: its order, its studies' claims and figures, whatever they are called."""

import json
from html.parser import HTMLParser

import pytest
import tiny_pages
import yaml

from advcore.pipelines.article.contents import Contents, Entry, Section
from advcore.pipelines.article.index import brief_of, index_of, write_index
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import override

SECTIONS = (
    Section(
        "first things",
        (
            Entry("figA", "Figure A", "it says <a>", {"one": ("first",), "two": ()}),
            Entry("eqB", "Equation B", "it says b", {"one": ()}, "the half of it"),
        ),
    ),
    Section("last things", (Entry("V", "Section V", "c", why_not="nobody can"),)),
)


PARTS = ("says", "expected", "verdict", "resampled", "value", "low")
"""Parts of a claim that the page shows."""


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def made(tmp_path, sections=SECTIONS, lacking=None, figures=None):
    folders = {"one": "one-small", "two": "two-small"}
    contents = Contents(sections, figures or {})
    index = index_of(contents, folders, tmp_path, lacking or {}, "The article", "advcore article")
    page = write_index(index, tmp_path / "article-small")
    return index, Elements(page.read_text())


def test_entries_stand_in_their_order_with_the_claims_that_are_theirs(tmp_path):
    second = tiny_pages.claim(says="another", verdict="yes")
    claims = {"first seed=0": tiny_pages.claim(), "second": second}
    tiny_pages.written(tmp_path / "one-small", claims=claims)
    index, page = made(tmp_path)
    entries = [own for _, entries in index.sections for own in entries]
    assert [own.entry.name for own in entries] == ["figA", "eqB", "V"]
    assert [[row.name for row in part.claims] for own in entries for part in own.parts] == [
        ["first seed=0"],
        [],
        ["first seed=0", "second"],
    ]
    assert [own.verdicts for own in entries] == [{"no": 1}, {"yes": 1, "no": 1}, {}]
    assert index.verdicts == {"yes": 1, "no": 1}  # each claim once, wherever it is shown
    links = [own["href"] for tag, own in page.found if tag == "a"]
    assert links.count("../one-small/report.html") == 2
    assert "Not measured yet: two." in page.text
    assert "Not measured: nobody can" in page.text
    assert "it says <a>" in page.text
    ids = [own["id"] for _, own in page.found if "id" in own]
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in links if link.startswith("#"))


def test_a_study_shows_its_own_figure_once(tmp_path):
    folder = tiny_pages.written(
        tmp_path / "one-small",
        figures={"figures/margins/chart.png": "of a probe", "figures/study/chart.png": "its own"},
    )
    for name in ("margins", "study"):
        (folder / "figures" / name).mkdir(parents=True)
        (folder / "figures" / name / "chart.png").write_bytes(name.encode())
    assert brief_of("one", tmp_path, "one-small").picture.alt == "its own"
    _, page = made(tmp_path)
    assert [own["alt"] for tag, own in page.found if tag == "img"] == ["its own"]
    _, chosen = made(tmp_path, figures={"one": "margins/chart.png"})
    assert [own["alt"] for tag, own in chosen.found if tag == "img"] == ["of a probe"]
    _, gone = made(tmp_path, figures={"one": "margins/other.png"})
    assert [own["alt"] for tag, own in gone.found if tag == "img"] == ["its own"]
    assert all(own["src"].startswith("data:") for tag, own in page.found if tag == "img")


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("study", ["exact", "demo"])
def test_a_study_that_was_run_with_other_settings_is_marked(tmp_path, study, small):
    name = f"{study}-small" if small else study
    settings = {
        "": [],
        "run.seed 3 in place of 0": ["run.seed=3"],
        "claims.new.kind level in place of nothing and": ["claims.new.kind=level"],
    }
    for place, (told, changes) in enumerate(settings.items()):
        folder = tiny_pages.written(tmp_path / str(place) / name)
        own = schema.unstructure(read_study(study, (), small))
        own["run"]["out"] = "elsewhere"  # where and how fast changes no number
        for model in own.get("train") or ():  # as a run writes it
            own["models"][model] = {"architecture": "lenet", "checkpoint": "a"}
        own = override({**own, "train": {}} if study == "demo" else own, changes)
        if "claims.new" in told:
            own["claims"]["new"]["says"] = "a number"
        (folder / "study.yaml").write_text(yaml.safe_dump(own))
        assert brief_of(study, folder.parent, name).other.startswith(told)
        assert bool(brief_of(study, folder.parent, name).other) == bool(told)
        data = folder.rename(folder.with_name(f"{name}-on-cifar10"))
        assert brief_of(study, folder.parent, data.name).other == ""


def test_other_settings_stand_on_the_page_beside_the_study(tmp_path):
    tiny_pages.written(tmp_path / "one-small")
    tiny_pages.written(tmp_path / "exact-small")  # its study.yaml says the name alone
    contents = Contents((Section("s", (Entry("a", "A", "b", {"exact": (), "one": ()}),)),))
    folders = {"exact": "exact-small", "one": "one-small"}
    index = index_of(contents, folders, tmp_path, {}, "The article", "advcore article")
    page = Elements(write_index(index, tmp_path / "article-small").read_text())
    assert page.text.count("Run with other settings than the study's own: ") == 1
    for text in ("[", "run: 3", "models: 3", "a: !!binary YQ=="):
        (tmp_path / "exact-small" / "study.yaml").write_text(text)
        assert brief_of("exact", tmp_path, "exact-small").other
    (tmp_path / "exact-small" / "study.yaml").unlink()
    assert "nobody knows which" in brief_of("exact", tmp_path, "exact-small").other


def test_studies_that_are_left_out_are_not_told_to_be_incomplete(tmp_path):
    _, page = made(tmp_path, lacking={"two": "it is about data of its own"})
    assert page.text.count("Left out or not complete") == 2  # the link and the heading
    assert page.text.count("ot complete") == 2


def test_hostile_words_are_text(tmp_path):
    hostile = tiny_pages.HOSTILE
    tiny_pages.written(
        tmp_path / "one-small",
        claims={"first": tiny_pages.claim(says=hostile)},
        missing=[hostile],
    )
    sections = (Section(hostile, (Entry(hostile, hostile, hostile, {"one": ()}, hostile),)),)
    _, page = made(tmp_path, sections, {hostile: hostile})
    assert [tag for tag, _ in page.found].count("script") == 1  # the one that sorts
    assert "img" not in [tag for tag, _ in page.found]
    assert page.text.count("alert(1)") >= 6


def test_results_that_cannot_be_read_are_no_results(tmp_path):
    folder = tiny_pages.written(tmp_path / "one-small")
    parts = [
        *({"claims": {}, "missing": own} for own in (5, "no list", [5], {"a": "b"})),
        *({"claims": {"a": tiny_pages.claim(**{part: ["no"]})}} for part in PARTS),
        {"claims": {"a": {"says": "b", "expected": "c", "not_measured": 3}}},
        {"claims": {"a": tiny_pages.claim(value=10**400)}},
        {"schema": 2},
    ]
    texts = [json.dumps(tiny_pages.results(**own)) for own in parts]
    for text in ("{", "[]", '{"claims": {"a": {}}}', '{"claims": 3}', *texts):
        (folder / "results.json").write_text(text)
        assert brief_of("one", tmp_path, "one-small").page == "", text
