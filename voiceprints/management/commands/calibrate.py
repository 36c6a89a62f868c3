"""What a model's cosines mean, learned from trials of your own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, IntegrityError

from audio.errors import ModelError
from audio.store import ModelCard
from voiceprints import calibration as calibrating
from voiceprints import installed
from voiceprints.calibration import Calibration, CalibrationRefused, Fit, Provenance, Quality, Trials
from voiceprints.decisions import store_calibration
from voiceprints.management.measuring import MeasuringCommand, add_trial_arguments, measured_trials
from voiceprints.management.saying import words_of
from voiceprints.trials import Comparisons, TrialList


class Command(MeasuringCommand):
    help = (
        "Learn from a list of trials, as `evaluate` reads it, what the cosines of a model are worth, and decide by it "
        "from now on. Thresholds follow from the false accept rate of each tenant."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_trial_arguments(parser)
        parser.add_argument("--about", metavar="TEXT", help="what the recordings are; the list's name unless given")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the calibration there, and store nothing")

    def handle(self, *args: Any, **options: Any) -> str:
        card = _card(options["model"], to_store=not options["json"])
        trials, _, comparisons = measured_trials(options)
        calibration = learned(trials, comparisons, card, about=options["about"])
        if options["json"]:
            _write(options["json"], calibration)
            done = f"Written to {options['json']}; decisions are as before."
        else:
            done = _stored(calibration)
        return "\n".join([*described(calibration), "", done])


def _card(model: str, *, to_store: bool) -> ModelCard:
    """Raises CommandError, `to_store` a calibration also where other weights are here than the database knows."""
    try:
        if to_store:
            installed.refuse_disagreement(model)
        return installed.store().find(model)
    except ModelError as error:
        raise CommandError(str(error)) from None
    except DatabaseError as error:
        raise CommandError(f"the database does not answer: {error}") from None


def learned(trials: TrialList, comparisons: Comparisons, card: ModelCard, *, about: str | None) -> Calibration:
    """Raises CommandError."""
    rows = Trials(
        cosines=comparisons.cosines,
        enrolled_seconds=comparisons.enrolled_seconds,
        probe_seconds=comparisons.test_seconds,
        same=comparisons.same,
        speakers=comparisons.pairs,
    )
    try:
        fit = calibrating.fit(rows)
    except CalibrationRefused as error:
        raise CommandError(f"{error}; {comparisons.failed} trials failed") from None
    provenance = _provenance(about or trials.name, trials, comparisons, rows, fit)
    return Calibration(card.name, fit.weights, fit.points, replace(provenance, weights_sha256=card.sha256))


def described(calibration: Calibration) -> list[str]:
    """Before and after, and what follows for a few recordings."""
    known, weights = calibration.provenance, calibration.weights
    if known is None:
        return [f"{calibration.model}: nobody calibrated it."]
    return [
        f"{calibration.model} on {known.trials}: {known.targets} targets, {known.impostors} impostors, "
        f"{known.failed} failed",
        "",
        *_held_out_lines(known),
        f"on the trials themselves             EER {known.eer_of_cosine:.2%} → {known.eer:.2%}, Cllr {known.cllr:.3f}",
        "",
        f"LLR = {weights.offset:.3f} + {weights.cosine:.3f} × cosine + {weights.speech:.3f} × (ln s + ln s')",
        "",
        "false accepts   false rejects   evidence   accepted from, with 2 s / 4 s / 10 s of speech on both sides",
        *(
            f"{point.far:12.2%}   {point.frr:13.2%}   {point.llr:8.2f}   "
            + " / ".join(f"{calibration.threshold(point.far, seconds, seconds):.3f}" for seconds in (2, 4, 10))
            + ("" if point.measured else "   extrapolated")
            for point in calibration.points
            if point.frr is not None
        ),
    ]


def _held_out_lines(known: Provenance) -> list[str]:
    judged = {"cosine alone": known.cosine_alone, "cosine and speech": known.with_speech}
    lines = [_held_out_line(name, quality) for name, quality in judged.items() if quality]
    return lines or ["The folders name too few speakers, or none, to hold any out."]


def _held_out_line(name: str, quality: Quality) -> str:
    figures = f"EER {quality.eer:.2%}, Cllr {quality.cllr:.3f}, FRR {quality.frr:.2%} at FAR 1 %"
    return f"{name:18} on unheard speakers {figures}"


def _provenance(about: str, trials: TrialList, comparisons: Comparisons, rows: Trials, fit: Fit) -> Provenance:
    return Provenance(
        data=about,
        trials=trials.name,
        trials_sha256=trials.sha256,
        failed=comparisons.failed,
        speakers=trials.speaker_count,
        date=datetime.now(UTC).date().isoformat(),
        version=settings.VERSION,
        **calibrating.figures_of(fit, rows),
    )


def _write(path: Path, calibration: Calibration) -> None:
    try:
        path.write_text(json.dumps(calibration.to_json(), indent=2) + "\n")
    except OSError as error:
        raise CommandError(words_of(error, path)) from None


def _stored(calibration: Calibration) -> str:
    try:
        row = store_calibration(calibration)
    except IntegrityError:
        raise CommandError(f"no model {calibration.model!r} in the database") from None
    except DatabaseError as error:
        raise CommandError(f"the database does not answer: {error}") from None
    return f"Stored as {row}, in force within seconds."
