"""Charts of console pages: figures that a script draws, and that stand in a table beside the drawing for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    BAR = "bar"
    LINE = "line"


class Colour(StrEnum):
    """Of Okabe and Ito, whose colours differ for the colour-blind too; console.css has a tone for light and dark."""

    BLUE = "blue"
    ORANGE = "orange"
    GREEN = "green"
    PINK = "pink"


@dataclass(frozen=True)
class Series:
    """A value for each label of its chart, None where there is none."""

    label: str
    values: Sequence[float | None]
    colour: Colour
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Shown by console/chart.html. `name`: its id on the page. `labels`: along the axis, which `axis` names."""

    name: str
    title: str
    axis: str
    labels: Sequence[str]
    series: Sequence[Series]
    kind: Kind = Kind.LINE
    stacked: bool = False
    unit: str = ""
    digits: int = 1
    """After the point of what the table says, if there is anything."""

    @property
    def figure_format(self) -> str:
        return f"-{self.digits}g"

    @property
    def data_name(self) -> str:
        return f"{self.name}-data"

    @property
    def drawing(self) -> dict[str, Any]:
        """What console/chart.js reads."""
        series = [
            {"label": one.label, "values": list(one.values), "colour": one.colour, "dashed": one.dashed}
            for one in self.series
        ]
        return {
            "kind": self.kind,
            "stacked": self.stacked,
            "unit": self.unit,
            "axis": self.axis,
            "labels": list(self.labels),
            "series": series,
        }

    @property
    def rows(self) -> list[tuple[str, list[float | None]]]:
        """Of the table: each label with the values of every series."""
        return [(label, [one.values[place] for one in self.series]) for place, label in enumerate(self.labels)]
