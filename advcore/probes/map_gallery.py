"""The gallery of maps beside their images, one column a network."""

from collections.abc import Callable, Mapping

from advcore.probes.charts import Gallery, Panel, told_apart
from advcore.probes.table import Table


def maps_of_models(
    tables: Mapping[str, Table],
    shown: int,
    name: str,
    title: str,
    caption: Callable[[Table, int], str],
    signs: tuple[str, str],
    note: str,
) -> list[Gallery]:
    """Draw the columns `image` and `map` of the first samples, `map` once a network.

    There is none of images that are neither grey nor in colour.

    `caption` gives the words below the map in a row of a table; `signs` says what a map's values
    above and below 0 do, which the note begins with.
    """
    first = next(iter(tables.values()))
    if len(first.numbers("image")[0]) not in (1, 3):
        return []
    above, below = signs
    grey = len(first.numbers("map")[0]) == 1
    high, low = ("Red", "blue") if grey else ("Lighter than grey", "darker")
    shades = f"{high} {above}, {low} {below}"
    rows = range(min(shown, len(first["sample"])))
    gallery = Gallery(
        name=name,
        title=title,
        rows=[
            [
                Panel(first.numbers("image")[row], f"label {int(first.numbers('label')[row])}"),
                *(
                    Panel(table.numbers("map")[row], caption(table, row), signed=True)
                    for table in tables.values()
                ),
            ]
            for row in rows
        ],
        row_labels=[f"sample {int(first.numbers('sample')[row])}" for row in rows],
        column_labels=["image", *(name.replace(" ", "\n", 1) for name in told_apart(list(tables)))],
        note=f"{shades}; each map has its own scale. Samples are the first; {note}",
    )
    return [gallery]
