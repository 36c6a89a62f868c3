"""Error rates of a speaker model on trials of your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from voiceprints.cohorts import CohortRefused, read_cohort
from voiceprints.evaluation import ClassMissing
from voiceprints.management.measuring import MeasuringCommand, add_trial_arguments, measured_trials
from voiceprints.management.reporting import Evaluation
from voiceprints.management.saying import words_of
from voiceprints.plots import write_plots


class Command(MeasuringCommand):
    help = (
        "Measure a speaker model on a list of trials: lines of “1 enrolled test” for recordings of one speaker and "
        "“0 enrolled test” for recordings of two, named relative to a folder. Where the model is named, no "
        "database is needed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_trial_arguments(parser)
        parser.add_argument(
            "--cohort", type=Path, metavar="FILE", help="show the scores normalised by it (AS-norm) too"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
        parser.add_argument("--plots", type=Path, metavar="DIR", help="write the DET curve and histogram there")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            cohort = read_cohort(options["cohort"], model=options["model"]) if options["cohort"] else None
            trials, outcomes, comparisons = measured_trials(options)
            evaluation = Evaluation.of(trials, outcomes, comparisons, model=options["model"], cohort=cohort)
            if options["json"]:
                options["json"].write_text(json.dumps(evaluation.as_json(), indent=2, ensure_ascii=False) + "\n")
            if options["plots"]:
                write_plots(options["plots"], evaluation.scored, model=options["model"])
        except ClassMissing as error:
            raise CommandError(f"{error}; {comparisons.failed} trials failed") from None
        except CohortRefused as error:
            raise CommandError(f"{options['cohort']}: {error}") from None
        except OSError as error:
            raise CommandError(words_of(error)) from None
        return evaluation.as_text()
