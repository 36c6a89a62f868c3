"""What was refused to a person at the console, in their words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from voiceprints.errors import (
    EmbeddingUnfinished,
    GenerationIncomplete,
    GenerationInUse,
    GenerationNotFound,
    JobAbandoned,
    JobFinished,
    JobNotFound,
    ModelNotFound,
    ModelUnusable,
    NothingToRollBack,
    StorageFailed,
    TooBusy,
)
from voiceprints.model_changes import RateRefused

REFUSALS = {
    ModelNotFound: gettext_lazy("No model %(model)s is known here."),
    ModelUnusable: gettext_lazy("A worker could not use the model %(model)s. Is it installed there?"),
    EmbeddingUnfinished: gettext_lazy(
        "%(undone)s recordings were not embedded with %(model)s: %(reason)s. Mend that, and prepare the model again."
    ),
    GenerationNotFound: gettext_lazy("Nothing is kept up for the model %(model)s. Prepare it first."),
    NothingToRollBack: gettext_lazy("There is no earlier model to go back to."),
    TooBusy: gettext_lazy("Too many jobs are under way already, at most %(limit)s. Try again when one is over."),
    JobNotFound: gettext_lazy("Nothing is being embedded with this model."),
    JobFinished: gettext_lazy("The job is over already."),
    JobAbandoned: gettext_lazy("Given up: the worker went down %(attempts)s times without getting any further."),
    StorageFailed: gettext_lazy("The storage of the recordings did not answer."),
    RateRefused: gettext_lazy("The rate must be a number of recordings per second, from 0.1 to 1000, or empty."),
}


def in_words(error: Exception) -> str:
    if isinstance(error, GenerationInUse):
        return _in_use(error)
    if isinstance(error, GenerationIncomplete):
        return _incomplete(error)
    words = REFUSALS.get(type(error))
    return str(words) % vars(error) if words else str(error)


def _in_use(error: GenerationInUse) -> str:
    if error.seconds is None:
        return _("Requests are answered with %(model)s. Let another model answer first.") % {"model": error.model}
    words = _("Requests that began before the switch may still need %(model)s. Try again in %(seconds)s s.")
    return words % vars(error)


def _incomplete(error: GenerationIncomplete) -> str:
    missing = _(
        "%(missing)s of %(utterances)s recordings were not embedded with %(model)s yet. Prepare it to the end first."
    )
    failed = _("%(failed)s of %(utterances)s recordings could not be used with %(model)s.")
    return (missing if error.missing else failed) % vars(error)
