"""The drawing of a study's graph: boxes in columns, each right of all that it comes of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT, ACROSS, BETWEEN = 168, 40, 64, 14
"""Sides of a box, and the space between two beside and below each other, in pixels."""

LETTERS = 22
"""The longest line in a box."""


@dataclass(frozen=True)
class Box:
    """A family of the study: its corner and sides, role, name, and what stands below the name."""

    x: float
    y: float
    role: str
    name: str
    about: str
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True)
class LineageDrawing:
    """Boxes, curves between them as SVG paths, the drawing's sides, and it all in words."""

    boxes: Sequence[Box]
    paths: Sequence[str]
    width: float
    height: float
    words: str


def draw_lineage(lineage: Mapping[str, Any]) -> LineageDrawing:
    """Return the drawing of `lineage` of results.json: `nodes` by name, `edges` as pairs."""
    nodes, edges = lineage["nodes"], [tuple(edge) for edge in lineage["edges"]]
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        before[end].append(start)
    columns = _columns(before)
    places = _places(columns, before)
    tallest = max(map(len, columns), default=0)
    corners = {
        name: (1 + column * (WIDTH + ACROSS), 1 + (row + (tallest - size) / 2) * (HEIGHT + BETWEEN))
        for name, (column, row, size) in places.items()
    }
    boxes = [
        Box(*corners[name], own["role"], _short(own["name"]), _short(own["about"]))
        for name, own in nodes.items()
    ]
    sentences = [
        f"{own['role']} {own['name']}"
        + (
            f" comes of {', '.join(nodes[start]['name'] for start in before[name])}"
            if before[name]
            else ""
        )
        for name, own in nodes.items()
    ]
    return LineageDrawing(
        boxes,
        [_path(corners[start], corners[end]) for start, end in edges],
        2 + len(columns) * (WIDTH + ACROSS) - ACROSS,
        2 + tallest * (HEIGHT + BETWEEN) - BETWEEN,
        "; ".join(sentences) + ".",
    )


def _columns(before: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the names by column: each is one right of the rightmost that it comes of."""
    column: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in column:
            column[name] = 1 + max((of(own) for own in before[name]), default=-1)
        return column[name]

    for name in before:
        of(name)
    count = 1 + max(column.values(), default=-1)
    return [[name for name in before if column[name] == own] for own in range(count)]


def _places(
    columns: Sequence[Sequence[str]], before: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, int, int]]:
    """Return column, row and size of the column by name; each near the rows that it comes of."""
    places: dict[str, tuple[int, int, int]] = {}
    for number, names in enumerate(columns):
        ordered = sorted(names, key=lambda name: _middle([places[own][1] for own in before[name]]))
        for row, name in enumerate(ordered):
            places[name] = number, row, len(ordered)
    return places


def _middle(rows: Sequence[int]) -> float:
    return sum(rows) / len(rows) if rows else 0.0


def _path(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0] + WIDTH, start[1] + HEIGHT / 2
    to_x, to_y = end[0], end[1] + HEIGHT / 2
    bend = (to_x - x) / 2
    return f"M{x:g} {y:g}C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}"


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
