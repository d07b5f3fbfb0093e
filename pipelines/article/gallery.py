"""A figure of each study as a page of the documentation, from a run of `advcore article --small`.

`python -m advcore.pipelines.article.gallery results docs` writes `gallery.md`, and the figures into
`gallery/`.
"""

import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from advcore.pipelines.article.contents import read_contents
from advcore.pipelines.article.document import study_link, telling_entries
from advcore.pipelines.article.findings import read_findings
from advcore.pipelines.article.index import Brief, brief_of, counted_verdicts
from advcore.pipelines.reports.escaping import visible
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write

WIDTH, COLOURS = 640, 256
"""Size of the figures of the documentation: pixels across at most, and colours."""

HEAD = """# Gallery

A figure of each study, in the order of the article, as `advcore article --small` drew it on two
cores in under an hour: one seed and few samples, so that the claims of these runs are often
undecided. What the studies found at their whole size stands behind "at its size" and in
[the article, measured here](article.md). Each command draws its figure again, and the others of the
study beside it; without `--small` it takes the study's own size."""


def gallery_page(out: Path) -> tuple[str, Mapping[str, Path]]:
    """Return the page, and the file of each study's figure, of the results in the folder `out`.

    Raises InputError where a study has no results there, incomplete ones, those of other settings,
    or not its figure.
    """
    contents, findings = read_contents(), read_findings()
    entry_of = telling_entries(contents.sections)
    briefs = {
        study: brief_of(study, out, f"{study}-small", contents.figures.get(study, ""))
        for study in entry_of
    }
    chosen = {study: f"figures/{figure}" for study, figure in contents.figures.items()}
    faults = {study: _fault(own, chosen.get(study)) for study, own in briefs.items()}
    if told := [f"{study} {fault}" for study, fault in faults.items() if fault]:
        raise InputError(
            f"{out}: expected complete results of every study's small version, with a figure; "
            f"{'; '.join(told)}: run advcore article --small --out {out}"
        )
    pictures = {study: own.picture for study, own in briefs.items() if own.picture is not None}
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


def _fault(brief: Brief, chosen: str | None) -> str:
    """Return what keeps a study's results out of the gallery; empty for good ones.

    `chosen` is the file of the figure that contents.yaml chooses for it.
    """
    if not brief.page:
        return "has no results"
    if brief.missing:
        return f"is not complete ({'; '.join(brief.missing)})"
    if brief.other:
        return f"was run with other settings ({brief.other})"
    if brief.picture is None:
        return "has no figure"
    if chosen not in (None, brief.picture.file):
        return f"lacks {chosen}, which contents.yaml chooses"
    return ""


def _one_line(text: str) -> str:
    """Return a text in one line, its Markdown escaped."""
    return re.sub(r"([\\\[\]*_`])", r"\\\1", " ".join(text.split()))


def _smaller(file: Path) -> bytes:
    """Return a figure as a PNG of the documentation's size.

    Raises InputError where the file is no picture.
    """
    made = io.BytesIO()
    try:
        with Image.open(file) as opened:
            figure = opened.convert("RGB")
        figure.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
        figure.quantize(COLOURS).save(made, "PNG", optimize=True)
    except Exception as error:  # PIL has many kinds: OSError, SyntaxError, DecompressionBombError
        raise InputError(
            f"{file}: expected a picture, got what cannot be read ({error}): remove the file, and "
            "run the study again"
        ) from error
    return made.getvalue()


def write_gallery(out: Path, docs: Path) -> None:
    """Write the page and its figures into a folder of documentation, once all of them are made.

    Raises InputError where there is no such folder, or a figure or a study's results are at fault.
    """
    if not docs.is_dir():
        raise InputError(f"{docs}: expected the folder of the documentation; give its path")
    page, files = gallery_page(out)
    figures = {f"{study}.png": _smaller(file) for study, file in files.items()}
    folder = docs / "gallery"
    for name, content in figures.items():
        with atomic_write(folder / name) as unfinished:
            unfinished.write_bytes(content)
    for old in folder.glob("*.png"):
        if old.name not in figures:
            old.unlink()
    with atomic_write(docs / "gallery.md") as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write the gallery, and return the exit status: 0 done, 2 refused."""
    if len(arguments) != 2:
        print("usage: python -m advcore.pipelines.article.gallery RESULTS DOCS", file=sys.stderr)
        return 2
    try:
        write_gallery(*map(Path, arguments))
    except InputError as error:
        print(f"gallery: {visible(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
