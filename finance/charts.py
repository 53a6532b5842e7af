"""Charts for people: what the theme's chart component draws, and the same figures as a table beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

GREEN, AMBER, BLUE, RED, VIOLET, GREY = "#0a7f5a", "#d97706", "#2563eb", "#b91c1c", "#7c3aed", "#6b7280"
PALETTE: Final = (GREEN, BLUE, AMBER, VIOLET, RED, GREY)
_TICKS: Final = {"color": "#6b7280", "maxRotation": 0, "autoSkipPadding": 12}
# An axis of counts, which has no halves.
WHOLE: Final = {"ticks": _TICKS | {"precision": 0}}
# An axis of amounts to both sides of zero, which has to be among its numbers.
AROUND_ZERO: Final = {"ticks": _TICKS | {"autoSkip": False, "maxTicksLimit": 6}}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One line or set of bars. `values` may have gaps; `filled_to` is the place of the plot, from this one, to fill up to."""

    name: str
    values: Sequence[float | None]
    colour: str | Sequence[str] = GREEN
    dashed: bool = False
    filled_to: int | None = None
    stepped: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart and its figures. `rows` say exactly, in words, what the plots draw."""

    title: str
    kind: str
    labels: Sequence[str]
    plots: Sequence[Plot]
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    stacked: bool = False
    axis: Mapping[str, Any] = field(default_factory=dict)
    wide: bool = False

    @property
    def data(self) -> str:
        """Return what chart.js draws, as JSON."""
        return json.dumps({"labels": list(self.labels), "datasets": [self._dataset(plot) for plot in self.plots]})

    @property
    def options(self) -> str:
        """Return how chart.js draws it, as JSON."""
        legend = {
            "display": len(self.plots) > 1,
            "position": "bottom",
            "align": "start",
            "labels": {"color": "#6b7280", "boxWidth": 14, "boxHeight": 2},
        }
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "interaction": {"mode": "index", "intersect": False},
                "plugins": {"legend": legend},
                "scales": {
                    "x": {"grid": {"display": False}, "ticks": _TICKS, "stacked": self.stacked},
                    "y": {"beginAtZero": True, "ticks": _TICKS, "grid": {}, "stacked": self.stacked, **self.axis},
                },
            }
        )

    def _dataset(self, plot: Plot) -> dict[str, Any]:
        drawn: dict[str, Any] = {"label": plot.name, "data": list(plot.values), "borderColor": plot.colour}
        if self.kind == "bar":
            return drawn | {"backgroundColor": plot.colour, "borderRadius": 3, "maxBarThickness": 28}
        drawn |= {"borderWidth": 2, "pointRadius": 0 if len(plot.values) > 1 else 4, "tension": 0, "stepped": plot.stepped}
        if plot.filled_to is not None:
            drawn |= {"fill": f"{plot.filled_to:+d}", "backgroundColor": f"{plot.colour}1f"}
        if plot.dashed:
            drawn |= {"borderDash": [5, 4], "borderWidth": 1.5}
        return drawn
