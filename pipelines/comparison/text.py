"""A comparison as text for the terminal, and as a page."""

from pathlib import Path

from advcore.counts import counted
from advcore.pipelines.comparison.moves import Comparison, Move
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.reports.page.rendering import render
from advcore.pipelines.reports.tables import format_number, markdown
from advcore.workers.files import atomic_write

SHOWN = 20
"""The most numbers without intervals, and names that one side lacks, in the terminal."""


def describe(comparison: Comparison) -> str:
    """Return the claims with their differences, then the numbers that differ, then the settings."""
    first, second = map(visible, comparison.names)
    parts = [f"# {second} less {first}"]
    if comparison.studies[0] != comparison.studies[1]:
        one, other = map(visible, comparison.studies)
        parts.append(f"warning: these are two studies, {one} and {other}")
    if comparison.claims:
        head = ["claim", "before", "after", "difference, 95 % interval", "moved", "verdict"]
        parts += ["## Claims", markdown(head, [_row(own) for own in comparison.claims])]
    beyond = sum(own.moved in ("up", "down") for own in comparison.claims)
    turned = sum(own.turned for own in comparison.claims)
    once = sum(own.measured_once for own in comparison.claims)
    parts.append(
        f"{beyond} of {counted(len(comparison.claims), 'claim')} moved beyond their intervals; "
        f"{turned} changed their verdict" + (f"; {once} measured in one alone" if once else "")
    )
    if comparison.numbers:
        largest = sorted(comparison.numbers, key=_change, reverse=True)
        rows = [
            [visible(own.name), *map(format_number, (own.before, own.after, own.difference))]
            for own in largest[:SHOWN]
        ]
        more = len(largest) - SHOWN
        parts += [
            "## Numbers without intervals that differ, the largest changes first",
            markdown(["number", "before", "after", "difference"], rows)
            + (f"\nand {more} more" if more > 0 else ""),
        ]
    parts.append(f"{comparison.equal} numbers are equal")
    for place, names in zip(comparison.names, comparison.only, strict=True):
        if names:
            shown = ", ".join(map(visible, names[:SHOWN]))
            rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            parts.append(f"only in {visible(place)}: {shown}{rest}")
    if comparison.settings:
        parts += ["## Settings that differ", "\n".join(map(visible_line, comparison.settings))]
    return "\n\n".join(parts) + "\n"


def visible_line(line: str) -> str:
    """Return a line of settings with its indentation, made safe for a terminal."""
    return " " * (len(line) - len(line.lstrip(" "))) + visible(line)


def write_page(comparison: Comparison, file: Path) -> None:
    """Write the comparison as one HTML file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as unfinished:
        text = render("comparison.html.j2", comparison=comparison, number=format_number)
        unfinished.write_text(text, encoding="utf-8")


def _row(own: Move) -> list[str]:
    interval = f"{format_number(own.low)} to {format_number(own.high)}"
    before, after = own.verdicts
    return [
        visible(own.says),
        format_number(own.before),
        format_number(own.after),
        f"{format_number(own.difference)} ({interval})",
        own.moved,
        before if before == after else f"{before} -> {after}",
    ]


def _change(own: Move) -> float:
    """Return the change relative to the larger of both numbers; infinite where one is lost."""
    scale = max(abs(own.before), abs(own.after))
    change = abs(own.difference) / scale if scale else 0.0
    return change if change == change else float("inf")
