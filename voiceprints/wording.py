"""Figures of a recording as people read them."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import floatformat
from django.utils.formats import date_format, localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audio.results import CLIPPED_ABOVE_RATIO, SpeechQuality
from tenants.sentences import listed

HARDLY_CLIPPED_RATIO = 0.001
MINUTE_SECONDS = 60
HOUR_MINUTES = 60


def seconds(value: float) -> str:
    return _("%s s") % localize(round(value, 1))


def audio(seconds: float) -> str:
    """How much of it there is, in the largest unit of which there is one."""
    if round(seconds) < MINUTE_SECONDS:
        return ngettext("%s second of audio", "%s seconds of audio", round(seconds)) % round(seconds)
    minutes = round(seconds / MINUTE_SECONDS)
    if minutes < HOUR_MINUTES:
        return ngettext("%s minute of audio", "%s minutes of audio", minutes) % minutes
    return _("%s hours of audio") % floatformat(seconds / MINUTE_SECONDS / HOUR_MINUTES, "1g")


def recording(utterance: Any) -> str:
    """A numbered utterance, as the page of its speaker heads it."""
    named = _("Recording %(number)s of %(speaker)s") % {"number": utterance.number, "speaker": utterance.speaker}
    created = date_format(localtime(utterance.created), "DATETIME_FORMAT")
    return " · ".join([named, created, seconds(utterance.duration_seconds)])


def decibels(value: float) -> str:
    return _("%s dB") % localize(round(value))


def full_scale_decibels(value: float) -> str:
    return _("%s dBFS") % localize(round(value))


def clipping(ratio: float) -> str:
    if ratio < HARDLY_CLIPPED_RATIO:
        return _("none")
    percent = localize(round(100 * ratio, 1))
    return (_("heavy, %s %%") if ratio > CLIPPED_ABOVE_RATIO else _("slight, %s %%")) % percent


def quality(figures: SpeechQuality) -> str:
    """The three figures that matter most, as a sentence."""
    words = {"speech": seconds(figures.speech_seconds), "noise": decibels(figures.snr_db)}
    measured = _("%(speech)s of speech, %(noise)s SNR") % words
    return listed([measured, _clipped(figures.clipped_ratio)])


def _clipped(ratio: float) -> str:
    if ratio < HARDLY_CLIPPED_RATIO:
        return _("not clipped")
    return _("clipped: %s") % clipping(ratio)


def warnings(figures: SpeechQuality) -> list[str]:
    """What makes a comparison with the recording less sure, and what would help."""
    words = {
        "noisy": _("Noisy: find a quieter place."),
        "low_level": _("Very quiet: speak closer to the microphone."),
        "clipped": _("Clipped: speak further from the microphone."),
        "dropouts": _("With gaps: parts of the sound may have been lost on the way."),
    }
    return [words[name] for name in figures.warnings]


def agreement(disagreements: int | None) -> str:
    if disagreements is None:
        return "—"
    if disagreements == 0:
        return _("yes, as far as can be heard")
    text = ngettext(
        "%s recording does not sound like those before it",
        "%s recordings do not sound like those before them",
        disagreements,
    )
    return text % disagreements
