"""With which model a tenant's speakers are told apart: what is kept up, and letting another one answer."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.context import acting_as
from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import Tenant
from voiceprints import bulk, generations, own_calibration, reembedding, unusable
from voiceprints.calibration import CalibrationRefused
from voiceprints.coverage import Coverage, must_enroll_again
from voiceprints.decisions import calibration_of, drop_own_calibrations, has_own_calibration
from voiceprints.errors import GenerationIncomplete, VoiceprintError
from voiceprints.models import Job
from voiceprints.own_calibration import Recalibration, Standing
from voiceprints.side_by_side import FEW_IMPOSTORS, FEW_SPEAKERS, FEW_TARGETS, Report, Side, report

MOST_LISTED = 1000

TOO_FEW = {
    "few_targets": f"fewer than {FEW_TARGETS} same-speaker pairs",
    "few_impostors": f"fewer than {FEW_IMPOSTORS} different-speaker pairs",
    "few_speakers": f"fewer than {FEW_SPEAKERS} speakers",
}

Options = dict[str, Any]
Said = dict[str, Any]


@dataclass(frozen=True)
class Action:
    """`run` returns what there is to say, and `words` how a person is told."""

    name: str
    help: str
    arguments: Callable[[ArgumentParser], object]
    run: Callable[[Tenant, Options], Said]
    words: Callable[[Said], str]


def status(tenant: Tenant, _: Options) -> Said:
    found = {model: _generation(tenant, coverage) for model, coverage in generations.all_coverages(tenant).items()}
    return {
        "tenant": tenant.slug,
        "model": tenant.model,
        "fallback_model": tenant.fallback_model,
        "previous_model": tenant.previous_model,
        "generations": found,
    }


def show_report(tenant: Tenant, options: Options) -> Said:
    return _reported(tenant, report(tenant, tenant.model, options["model"]))


def who_must_enroll_again(tenant: Tenant, options: Options) -> Said:
    with acting_as(tenant):
        speakers = must_enroll_again(tenant, options["model"], most=MOST_LISTED)
        names = [[one.library.org_id, one.library.tag_id, one.external_id] for one in speakers]
    return {"model": options["model"], "speakers": names}


def what_failed(tenant: Tenant, options: Options) -> Said:
    with acting_as(tenant):
        found = unusable.described(tenant, unusable.failures(tenant, options["model"]))
    return {"model": options["model"], "recordings": [asdict(one) for one in found]}


def switch(tenant: Tenant, options: Options) -> Said:
    accepted = {name: options[name] for name in ("answer_with_old", "accept_failed")}
    found = generations.switch(tenant, options["model"], **accepted)
    said = {"model": tenant.model, "before": tenant.previous_model, "must_enroll_again": found.must_enroll_again}
    return said | {"fallback_model": tenant.fallback_model, "provisional": _is_provisional(tenant, tenant.model)}


def roll_back(tenant: Tenant, _: Options) -> Said:
    return {"model": generations.roll_back(tenant)}


def drop(tenant: Tenant, options: Options) -> Said:
    return {"dropped": options["model"], "vectors": generations.drop(tenant, options["model"])}


def calibrate(tenant: Tenant, options: Options) -> Said:
    accepted = {name: options[name] for name in ("replace", "accept_worse")}
    try:
        return _recalibrated(own_calibration.calibrate(tenant, options["model"] or tenant.model, **accepted))
    except CalibrationRefused as error:
        raise CommandError(str(error)) from None


def uncalibrate(tenant: Tenant, options: Options) -> Said:
    model = options["model"] or tenant.model
    return {"model": model, "dropped": drop_own_calibrations(tenant, model)}


def pause(tenant: Tenant, _: Options) -> Said:
    return _about(bulk.pause_job(tenant, _under_way(tenant).pk))


def resume(tenant: Tenant, _: Options) -> Said:
    return _about(bulk.resume_job(tenant, _under_way(tenant).pk))


def cancel(tenant: Tenant, _: Options) -> Said:
    return _about(bulk.cancel_job(tenant, _under_way(tenant).pk))


def _no_arguments(parser: ArgumentParser) -> None:
    """Nothing more to say."""


def _model_argument(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")


def _own_model_argument(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", nargs="?", help="the one that answers unless given")


def _calibrate_arguments(parser: ArgumentParser) -> None:
    _own_model_argument(parser)
    parser.add_argument("--replace", action="store_true", help="although the tenant has one of its own already")
    parser.add_argument("--accept-worse", action="store_true", help="although the installation's is no worse")


def _switch_arguments(parser: ArgumentParser) -> None:
    _model_argument(parser)
    parser.add_argument(
        "--answer-with-old",
        action="store_true",
        help="speakers of whom nothing was recorded go on being compared with the model that answered before",
    )
    parser.add_argument(
        "--accept-failed", action="store_true", help="although there are recordings that could not be used"
    )


def _generation(tenant: Tenant, coverage: Coverage) -> Said:
    with acting_as(tenant):
        job = reembedding.jobs_of(tenant, coverage.model).order_by("-pk").first()
    return asdict(coverage) | {
        "provisional": _is_provisional(tenant, coverage.model),
        "own_calibration": has_own_calibration(tenant, coverage.model),
        "job": _about(job) if job else None,
    }


def _is_provisional(tenant: Tenant, model: str) -> bool:
    return calibration_of(tenant, model).provisional


def _about(job: Job) -> Said:
    return {"id": job.pk, "state": job.state, "done": job.done, "total": job.total}


def _under_way(tenant: Tenant) -> Job:
    """Raises CommandError."""
    with acting_as(tenant):
        job: Job | None = tenant.jobs.under_way().filter(kind=Job.Kind.REEMBED).order_by("pk").first()
    if job is None:
        raise CommandError("nothing is being embedded anew")
    return job


def _reported(tenant: Tenant, found: Report) -> Said:
    about = {name: value for name, value in vars(found).items() if name != "sides"}
    return about | {"warnings": found.warnings, "sides": [_side(tenant, one) for one in found.sides]}


def _side(tenant: Tenant, side: Side) -> Said:
    point = side.at_far
    return {
        "model": side.model,
        "provisional": _is_provisional(tenant, side.model),
        "eer": side.eer,
        "eer_interval": side.eer_interval,
        "eer_threshold": side.eer_threshold,
        "threshold": point.point.threshold,
        "far": point.point.far,
        "frr": point.point.frr,
        "frr_interval": point.frr_interval,
        "histogram": asdict(side.histogram),
    }


def _recalibrated(found: Recalibration) -> Said:
    known = found.provenance
    return {
        "model": found.calibration.model,
        "targets": known.targets,
        "impostors": known.impostors,
        "speakers": known.speakers,
        "asked_far": found.far,
        "seconds": found.seconds,
        "before": _standing(found.before),
        "after": _standing(found.after),
        "held_out": asdict(found.held_out) if found.held_out else None,
    }


def _standing(standing: Standing) -> Said:
    measured = standing.at_far
    return {
        "eer": standing.quality.eer,
        "cllr": standing.quality.cllr,
        "threshold": standing.threshold,
        "far": measured.point.far,
        "far_interval": measured.far_interval,
        "frr": measured.point.frr,
        "frr_interval": measured.frr_interval,
    }


# --- In words --------------------------------------------------------------------------------------------------------


def _status_in_words(said: Said) -> str:
    lines = [
        _generation_in_words(said, model, Coverage(**_figures(found)), found)
        for model, found in said["generations"].items()
    ]
    if said["previous_model"]:
        lines.append(f"roll-back lets {said['previous_model']} answer again")
    return "\n".join(lines)


def _figures(found: Said) -> Said:
    return {name: value for name, value in found.items() if name not in {"job", "provisional", "own_calibration"}}


def _generation_in_words(said: Said, model: str, found: Coverage, about: Said) -> str:
    job = about["job"]
    role = "answers" if model == said["model"] else "stands by"
    role = "answers for those the first does not know" if model == said["fallback_model"] else role
    words = [
        f"{model}: {role}; {found.embedded} of {found.utterances} utterances embedded",
        f"{found.missing} to do" if found.missing else "",
        f"{found.failed} recordings could not be used" if found.failed else "",
        f"{found.unrecorded} kept without a recording" if found.unrecorded else "",
        f"{found.must_enroll_again} of {found.speakers} speakers must enroll again" if found.must_enroll_again else "",
        f"job {job['id']} {job['state']}, {job['done']} of {job['total'] or '?'}" if job else "",
        "not calibrated" if about["provisional"] else "",
        "calibrated on own recordings" if about["own_calibration"] else "",
    ]
    return ", ".join(filter(None, words))


def _report_in_words(said: Said) -> str:
    lines = [
        f"{said['targets']} same-speaker and {said['impostors']} different-speaker pairs, {said['speakers']} speakers",
        *(_side_in_words(side, said["far"]) for side in said["sides"]),
    ]
    if said["warnings"]:
        lines.append(f"too little to rely on: {', '.join(TOO_FEW[warning] for warning in said['warnings'])}")
    lines += [_uncalibrated(side["model"]) for side in said["sides"] if side["provisional"]]
    return "\n".join(lines)


def _side_in_words(side: Said, far: float) -> str:
    low, high = side["eer_interval"]
    return (
        f"{side['model']}: EER {100 * side['eer']:.2f} % ({100 * low:.2f} to {100 * high:.2f}); "
        f"at a false accept rate of {100 * far:g} %: threshold {side['threshold']:.3f}, "
        f"false reject rate {100 * side['frr']:.2f} %"
    )


def _uncalibrated(model: str) -> str:
    return (
        f"{model} is not calibrated: until then it decides by a provisional threshold, at error rates that nobody "
        f"measured; see manage.py calibrate --model {model}"
    )


def _switched_in_words(said: Said) -> str:
    return "\n".join([_switch_in_words(said), *([_uncalibrated(said["model"])] if said["provisional"] else [])])


def _switch_in_words(said: Said) -> str:
    many = said["must_enroll_again"]
    if not many:
        back = f"; {said['before']} is kept up to go back to" if said["before"] else ""
        return f"{said['model']} answers now{back}"
    fate = f"answered with {said['fallback_model']}" if said["fallback_model"] else "enrolling again"
    return f"{said['model']} answers now; {many} speakers it does not know are {fate}"


def _recalibrated_in_words(said: Said) -> str:
    lines = [
        f"{said['model']} on {said['targets']} pairs of one speaker and {said['impostors']} of two, "
        f"{said['speakers']} speakers",
        *(f"{name:7}{_standing_in_words(said[name])}" for name in ("before", "after")),
    ]
    if held_out := said["held_out"]:
        lines.append(
            f"on speakers held out: EER {held_out['eer']:.2%}, Cllr {held_out['cllr']:.3f}, "
            f"FRR {held_out['frr']:.2%} at FAR 1 %"
        )
    at = f"at a false accept rate of {said['asked_far']:.2%}, with {said['seconds']:.1f} s of speech on both sides"
    return "\n".join([*lines, f"Thresholds are those {at}.", "In force for this tenant within seconds."])


def _standing_in_words(said: Said) -> str:
    return (
        f"EER {said['eer']:.2%}, Cllr {said['cllr']:.3f}, threshold {said['threshold']:.3f}: "
        f"FAR {said['far']:.2%} ({_interval(said['far_interval'])}), "
        f"FRR {said['frr']:.2%} ({_interval(said['frr_interval'])})"
    )


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _uncalibrated_in_words(said: Said) -> str:
    fate = "the installation's counts within seconds" if said["dropped"] else "there was none"
    return f"{said['model']}: {said['dropped']} own calibrations dropped; {fate}"


def _job_in_words(said: Said) -> str:
    return f"job {said['id']}: {said['state']}, {said['done']} of {said['total'] or '?'}"


def _names_in_words(said: Said) -> str:
    return "\n".join("\t".join(names) for names in said["speakers"]) or "nobody"


def _failed_in_words(said: Said) -> str:
    columns = ("org_id", "tag_id", "external_id", "utterance", "recording", "reason")
    return "\n".join("\t".join(str(one[column]) for column in columns) for one in said["recordings"]) or "none"


def _way_on(error: GenerationIncomplete) -> str:
    if error.missing:
        return f"`reembed --to {error.model}` embeds what is missing"
    return f"`failed {error.model}` lists them, and --accept-failed switches without them"


ACTIONS = (
    Action("status", "what is kept up, and how far it is", _no_arguments, status, _status_in_words),
    Action("report", "both models on the tenant's own recordings", _model_argument, show_report, _report_in_words),
    Action("missing", "who must enroll again", _model_argument, who_must_enroll_again, _names_in_words),
    Action("failed", "recordings that could not be embedded", _model_argument, what_failed, _failed_in_words),
    Action("switch", "let a model answer", _switch_arguments, switch, _switched_in_words),
    Action(
        "roll-back",
        "let the one answer that did before",
        _no_arguments,
        roll_back,
        lambda said: f"{said['model']} answers again",
    ),
    Action(
        "drop",
        "delete the vectors of a model",
        _model_argument,
        drop,
        lambda said: f"{said['dropped']}: {said['vectors']} vectors deleted",
    ),
    Action(
        "calibrate",
        "learn from the tenant's own recordings what a model's cosines are worth, and decide by it, for this tenant",
        _calibrate_arguments,
        calibrate,
        _recalibrated_in_words,
    ),
    Action(
        "uncalibrate",
        "drop what the tenant's own recordings taught: the installation's calibration counts again",
        _own_model_argument,
        uncalibrate,
        _uncalibrated_in_words,
    ),
    Action("pause", "the embedding that is under way", _no_arguments, pause, _job_in_words),
    Action("resume", "the embedding that was paused", _no_arguments, resume, _job_in_words),
    Action("cancel", "the embedding; what it did is kept until dropped", _no_arguments, cancel, _job_in_words),
)


class Command(AttributedCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--json", action="store_true")
        choices = parser.add_subparsers(dest="what", required=True, metavar="|".join(one.name for one in ACTIONS))
        for one in ACTIONS:
            one.arguments(choices.add_parser(one.name, help=one.help, description=one.help))

    def handle(self, *args: Any, what: str, tenant: str, **options: Any) -> str:
        chosen = next(one for one in ACTIONS if one.name == what)
        try:
            said = chosen.run(tenant_named(tenant), options)
        except GenerationIncomplete as error:
            raise CommandError(f"{error}; {_way_on(error)}") from None
        except VoiceprintError as error:
            raise CommandError(str(error)) from None
        return json.dumps(said, ensure_ascii=False) if options["json"] else chosen.words(said)
