"""A figure of each study as a page of the documentation, from a run of `advcore article --small`.

`python -m advcore.pipelines.article.gallery results docs` writes `gallery.md`, and the figures into
`gallery/`.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from advcore.pipelines.article.contents import read_contents
from advcore.pipelines.article.document import study_link, telling_entries
from advcore.pipelines.article.findings import read_findings
from advcore.pipelines.article.index import IndexEntry, Part, counted_verdicts, index_of
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.errors import InputError

WIDTH, COLOURS = 640, 128
"""Size of the figures of the documentation: pixels across at most, and colours."""

HEAD = """# Gallery

A figure of each study, in the order of the article, as `advcore article --small` drew it on two
cores in under an hour: one seed and few samples, so that the claims of these runs are often
undecided. What the studies found at their whole size stands behind "at its size" and in
[the article, measured here](article.md). Each command draws its figure again, and the others of the
study beside it; without `--small` it takes the study's own size."""


def gallery_page(out: Path) -> tuple[str, Mapping[str, Path]]:
    """Return the page, and the file of each study's figure, of the results in the folder `out`.

    Raises InputError where a study has no results there, or no figure.
    """
    folders = {study: f"{study}-small" for study in shipped_files("studies")}
    index = index_of(read_contents(), folders, out, {}, "", "")
    first = [
        part for _, entries in index.sections for own in entries for part in own.parts if part.first
    ]
    if lacking := [part.brief.study for part in first if part.brief.picture is None]:
        raise InputError(
            f"{out}: expected the results of every study's small version, with a figure; "
            f"{', '.join(lacking)} lack them: run advcore article --small --out {out}"
        )
    files = {
        part.brief.study: out / folders[part.brief.study] / part.brief.picture.file
        for part in first
        if part.brief.picture is not None
    }
    parts = [HEAD]
    for title, entries in index.sections:
        parts.append(f"## {title}")
        parts += [text for own in entries for text in _entry(own)]
    return "\n\n".join(parts) + "\n", files


def _entry(own: IndexEntry) -> Iterator[str]:
    """Yield the paragraphs of an entry's studies that no entry before it has shown."""
    shown = [part for part in own.parts if part.first]
    if shown:
        yield f"### {own.entry.title}"
        yield own.entry.says
        for part in shown:
            yield from _study(part)


def _study(part: Part) -> Iterator[str]:
    """Yield the figure of a study, its command, and the verdicts on its claims."""
    study, picture = part.brief.study, part.brief.picture
    assert picture is not None
    counts = ", ".join(
        f"{count} {word}" for word, count in counted_verdicts(part.brief.claims).items()
    )
    found = study_link(study, read_findings()[study], "benchmarks.md")
    place = f"[at its size](article.md#{telling_entries(read_contents().sections)[study]})"
    yield f"![{_one_line(picture.alt)}](gallery/{study}.png)"
    yield (
        f"{found}: {_one_line(picture.alt).partition('. ')[0].rstrip('.')}. "
        f"`advcore run {study} --small`; {counts or 'no claims'}; {place}."
    )


def _one_line(text: str) -> str:
    """Return a text in one line, its Markdown escaped."""
    return re.sub(r"([\\\[\]*_`])", r"\\\1", " ".join(text.split()))


def write_gallery(out: Path, docs: Path) -> None:
    """Write the page and its figures into a folder of documentation."""
    page, files = gallery_page(out)
    folder = docs / "gallery"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for study, file in files.items():
        with Image.open(file) as opened:
            figure = opened.convert("RGB")
        figure.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
        figure.quantize(COLOURS).save(folder / f"{study}.png", optimize=True)
    (docs / "gallery.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write_gallery(Path(sys.argv[1]), Path(sys.argv[2]))
