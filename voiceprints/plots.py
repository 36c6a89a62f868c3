"""Pictures of an evaluation: the DET curve and the histogram of scores. Written as PNG and SVG, without any display."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voiceprints.evaluation import DetCurve, Figures, ScoredTrials, det_curve

DOTS_PER_INCH: Final = 150
SIZE_INCHES: Final = (6.4, 6.0)
BINS: Final = 60
# Colours that differ for the colour-blind too (Okabe and Ito).
TARGET_COLOUR, IMPOSTOR_COLOUR, MARK_COLOUR = "#0072b2", "#d55e00", "#444444"
TICKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
SHOWN: Final = (0.0005, 0.5)


def write_plots(folder: Path, trials: ScoredTrials, *, model: str) -> list[Path]:
    """`det` and `scores` as .png and .svg in the folder, which is made. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    curve = det_curve(trials)
    title = f"{model} · {trials.targets} targets, {trials.impostors} impostors · EER {curve.equal_error().rate:.2%}"
    return [
        *_written(folder / "det", title, lambda axes: _draw_det(axes, curve)),
        *_written(folder / "scores", title, lambda axes: _draw_scores(axes, trials, curve)),
    ]


def _written(stem: Path, title: str, draw: Callable[[Axes], None]) -> list[Path]:
    # Without a date and with a fixed salt the same scores make the same file.
    with rc_context({"svg.hashsalt": "openvpr", "font.size": 10}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, fontsize=11)
        draw(axes)
        paths = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
        figure.savefig(paths[0], dpi=DOTS_PER_INCH)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _draw_det(axes: Axes, curve: DetCurve) -> None:
    """Both rates on normal deviates, where Gaussian scores make a straight line (Martin et al., 1997)."""
    axes.plot(_deviate(curve.far), _deviate(curve.frr), color=TARGET_COLOUR, linewidth=1.5)
    equal = curve.equal_error()
    axes.plot(_deviate(np.array(SHOWN)), _deviate(np.array(SHOWN)), color=MARK_COLOUR, linewidth=0.6, linestyle=":")
    meeting = _deviate(np.array([equal.rate]))
    label = f"EER {equal.rate:.2%} at {equal.threshold:.3f}"
    axes.plot(meeting, meeting, "o", color=IMPOSTOR_COLOUR, label=label, clip_on=False)
    places, labels = _deviate(np.array(TICKS)), [f"{100 * tick:g}" for tick in TICKS]
    axes.set_xticks(places, labels)
    axes.set_yticks(places, labels)
    low, high = _deviate(np.array(SHOWN))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("False accepts in % of the impostors")
    axes.set_ylabel("False rejects in % of the targets")
    axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    axes.legend(loc="upper right")


def _draw_scores(axes: Axes, trials: ScoredTrials, curve: DetCurve) -> None:
    edges = np.linspace(trials.scores.min(), max(trials.scores.max(), trials.scores.min() + 1e-6), BINS + 1)
    kinds = (("impostors", ~trials.same, IMPOSTOR_COLOUR), ("targets", trials.same, TARGET_COLOUR))
    for name, mask, colour in kinds:
        shares = np.full(mask.sum(), 100 / mask.sum())
        axes.hist(trials.scores[mask], edges.tolist(), weights=shares, color=colour, alpha=0.55, label=name)
    equal = curve.equal_error()
    axes.axvline(
        equal.threshold, color=MARK_COLOUR, linestyle="--", linewidth=1, label=f"equal error {equal.threshold:.3f}"
    )
    axes.set_xlabel("Score")
    axes.set_ylabel("Share of the trials of a kind, in %")
    axes.legend(loc="upper left")


def _deviate(rates: Figures) -> Figures:
    """Rates off the scale land on its edges."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(rate)) for rate in np.clip(rates, SHOWN[0] / 2, 1 - SHOWN[0] / 2)])
