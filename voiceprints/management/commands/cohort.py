"""Voices that stand for strangers, for `evaluate --cohort`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandError, CommandParser

from audio.batch import Heard
from audio.results import Embedding
from tenants.management.base import tenant_named
from voiceprints.cohorts import Cohort, CohortRefused, made_of, of_tenant, write_cohort
from voiceprints.management.measuring import MeasuringCommand, add_model_argument, heard_recordings
from voiceprints.management.saying import words_of
from voiceprints.scoring import voiceprint_of


class Command(MeasuringCommand):
    help = "Write a cohort of a model: the voiceprints of a tenant's libraries, or the speakers of a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="where to write it, such as strangers.npz")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--tenant", help="its slug")
        source.add_argument("--root", type=Path, metavar="DIR", help="a folder per speaker, or recordings one by one")
        add_model_argument(parser)

    def handle(self, *args: Any, file: Path, model: str, **options: Any) -> str:
        try:
            cohort = (
                of_tenant(tenant_named(options["tenant"]), model)
                if options["tenant"]
                else of_folder(options["root"], model)
            )
            write_cohort(file, cohort)
        except (CohortRefused, OSError) as error:
            raise CommandError(words_of(error)) from None
        return f"{len(cohort.embeddings)} voices of {model} in {file}"


def of_folder(root: Path, model: str) -> Cohort:
    """One voice per topmost folder, and one per recording that lies in none. Raises CohortRefused, CommandError."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    outcomes = heard_recordings(root, names, model=model, denoise=False)
    voices: dict[str, list[Embedding]] = {}
    for name in names:
        outcome = outcomes[name]
        if isinstance(outcome, Heard):
            voices.setdefault(Path(name).parts[0], []).append(np.asarray(outcome.embedding))
    return made_of(model, [voiceprint_of(said) for said in voices.values()])
