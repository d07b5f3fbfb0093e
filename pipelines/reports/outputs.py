"""The list of files that runs write into a folder of results.

Files that are not on the list are the user's own, and stay.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from advcore.pipelines.reports.machine_readable import as_csv, as_latex
from advcore.pipelines.reports.words_of_charts import alt_text
from advcore.probes import Chart
from advcore.workers.files import atomic_write

LIST = ".written.json"
"""The list of a folder's files that a run wrote, in that folder."""


@dataclass(frozen=True)
class Drawing:
    """A chart in words, and as SVG."""

    alt: str
    svg: str


class Outputs:
    """The files of one run in `folder`, which replace those of the run before.

    A file is on the list before it is written, so that a run that is killed leaves none that nobody
    removes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []
        self.pictures: dict[str, Drawing] = {}
        self._before = _read_list(folder)

    def path(self, name: str) -> Path:
        """Return the path to write the file `name`, which may contain slashes."""
        path = self.folder / name
        if path not in self.paths:
            self.paths.append(path)
            if name not in self._before:
                self._list([*self._before, *self._names()])
        return path

    def write(self, name: str, text: str) -> None:
        """Write a text as the file `name`."""
        with atomic_write(self.path(name)) as unfinished:
            unfinished.write_text(text, encoding="utf-8")

    def write_table(self, name: str, rows: list[list[object]]) -> None:
        """Write rows as `name`.csv, with all digits, and `name`.tex, for papers."""
        self.write(f"{name}.csv", as_csv(rows))
        self.write(f"{name}.tex", as_latex(rows))

    def draw(self, folder: str, charts: Iterable[Chart], kinds: Sequence[str]) -> list[Path]:
        """Draw charts into `folder`, as files of each kind; return the one to show of each.

        Without kinds nothing is drawn.
        """
        if not kinds:
            return []
        from advcore.pipelines.reports import figures  # matplotlib takes a second to import

        shown = []
        for chart in charts:
            figure = figures.draw(chart)
            paths = [self.path(f"{folder}/{chart.name}.{kind}") for kind in kinds]
            for path in paths:
                figures.save_figure(figure, path)
            shown.append(next((path for path in paths if path.suffix == ".png"), paths[0]))
            self.pictures[shown[-1].relative_to(self.folder).as_posix()] = Drawing(
                alt_text(chart), figures.as_svg(figure)
            )
        return shown

    def finish(self, also: Iterable[str] = ()) -> None:
        """Remove what earlier runs wrote and this one did not, and `also`, with empty folders."""
        for name in {*self._before, *also} - set(self._names()):
            path = self.folder / name
            path.unlink(missing_ok=True)
            for parent in path.relative_to(self.folder).parents:
                with suppress(OSError):  # another file stands in it
                    (self.folder / parent).rmdir()
        self._list(self._names())

    @property
    def known(self) -> bool:
        """True if there was a list of what an earlier run wrote."""
        return bool(self._before)

    def _names(self) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.paths]

    def _list(self, names: list[str]) -> None:
        with atomic_write(self.folder / LIST) as unfinished:
            unfinished.write_text(json.dumps(sorted(set(names)), indent=0), encoding="utf-8")


def _read_list(folder: Path) -> list[str]:
    """Return the names on the folder's list that lie inside it; none without a list."""
    try:
        names = json.loads((folder / LIST).read_text(encoding="utf-8"))
        inside = [
            name for name in names if (folder / name).resolve().is_relative_to(folder.resolve())
        ]
    except (OSError, ValueError, TypeError):
        return []
    return [name for name in inside if (folder / name).resolve() != folder.resolve()]
