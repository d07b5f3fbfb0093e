"""Words for charts, for those who cannot see them."""

from collections.abc import Sequence

from advcore.counts import counted
from advcore.probes import Chart, Gallery, Lines, Maps


def alt_text(chart: Chart) -> str:
    """Return the title, what the axes or the rows and columns are, and the note, as sentences."""
    match chart:
        case Lines():
            drawn = _listed("Lines", [own.label for own in chart.series if own.label])
            parts = [f"{chart.y_label} over {chart.x_label}", drawn]
        case Gallery():
            rows, columns = counted(len(chart.rows), "row"), len(chart.column_labels)
            parts = [f"{rows} of {columns} pictures", _listed("Rows", chart.row_labels)]
        case Maps():
            shown = f"Maps of {chart.value_label}" if chart.value_label else "Maps"
            panels = [caption for _, caption in chart.panels if caption]
            parts = [f"{shown}, {chart.y_label} over {chart.x_label}", _listed("Panels", panels)]
    words = [chart.title, *parts, chart.note]
    return " ".join(f"{' '.join(own.split()).rstrip('.')}." for own in words if own.strip())


def _listed(what: str, labels: Sequence[str]) -> str:
    return f"{what}: {', '.join(labels)}" if labels else ""
