"""A figure of each study as a page of the documentation, from a run of `advcore article --small`.

`python -m advcore.pipelines.article.gallery results docs` writes `gallery.md`, and the figures into
`gallery/`.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from advcore.pipelines.article.contents import read_contents
from advcore.pipelines.article.document import study_link, telling_entries
from advcore.pipelines.article.findings import read_findings
from advcore.pipelines.article.index import brief_of, counted_verdicts
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
    contents, findings = read_contents(), read_findings()
    entry_of = telling_entries(contents.sections)
    briefs = {
        study: brief_of(study, out, f"{study}-small", contents.figures.get(study, ""))
        for study in entry_of
    }
    pictures = {study: own.picture for study, own in briefs.items() if own.picture is not None}
    if lacking := [study for study in briefs if study not in pictures]:
        raise InputError(
            f"{out}: expected the results of every study's small version, with a figure; "
            f"{', '.join(lacking)} lack them: run advcore article --small --out {out}"
        )
    parts = [HEAD]
    for section in contents.sections:
        parts.append(f"## {section.title}")
        for entry in section.entries:
            told = [study for study in entry.studies if entry_of[study] == entry.name]
            parts += [f"### {entry.title}", entry.says] if told else []
            for study in told:
                words = _one_line(pictures[study].alt)
                verdicts = counted_verdicts(briefs[study].claims)
                counts = ", ".join(f"{count} {word}" for word, count in verdicts.items())
                parts.append(f"![{words}](gallery/{study}.png)")
                parts.append(
                    f"{study_link(study, findings[study], 'benchmarks.md')}: "
                    f"{words.partition('. ')[0].rstrip('.')}. `advcore run {study} --small`; "
                    f"{counts or 'no claims'}; [at its size](article.md#{entry.name})."
                )
    files = {study: out / f"{study}-small" / own.file for study, own in pictures.items()}
    return "\n\n".join(parts) + "\n", files


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
