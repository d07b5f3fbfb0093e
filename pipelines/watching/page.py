"""A study that is watched, as a page that a browser loads again by itself."""

from collections.abc import Sequence
from pathlib import Path

from advcore.pipelines.reports.page import ClaimRow
from advcore.pipelines.reports.page.rendering import render
from advcore.pipelines.watching.text import details, headline
from advcore.pipelines.watching.view import View
from advcore.workers.files import atomic_write


def write_page(
    view: View, claims: Sequence[ClaimRow], note: str, every: float | None, file: Path
) -> None:
    """Write the page of a study as one HTML file, which asks for nothing from elsewhere.

    A browser loads it again after `every` seconds; never for None.
    """
    text = render(
        "watch.html.j2",
        view=view,
        claims=claims,
        note=note,
        headline=headline(view),
        lines=details(view),
        every=every,
    )
    with atomic_write(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
