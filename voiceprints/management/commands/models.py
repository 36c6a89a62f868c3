"""Speaker models: which there are, and getting, choosing and removing them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from audio.errors import ModelError
from audio.store import ModelCard
from voiceprints import conversions, installed, obtaining
from voiceprints.conversions import Made
from voiceprints.errors import VoiceprintError
from voiceprints.management.modeltable import known_models, table
from voiceprints.management.progress import progress_bar
from voiceprints.management.saying import words_of
from voiceprints.management.stopping import StoppableCommand, stopped

Options = dict[str, Any]
ENGINE_OF_WINDOW = {"hamming": "wespeaker", "povey": "wespeaker-povey"}


@dataclass(frozen=True)
class Subcommand:
    """`run` returns what is printed, and raises what the command says in one line."""

    name: str
    help: str
    arguments: Callable[[ArgumentParser], object]
    run: Callable[[Options], str]


def list_models(options: Options) -> str:
    rows = known_models()
    return json.dumps([vars(row) for row in rows], indent=2, ensure_ascii=False) if options["json"] else table(rows)


def fetch(options: Options) -> str:
    try:
        with progress_bar(options["name"]) as progress:
            made = conversions.obtain(options["name"], progress, accept_changed=options["accept_changed"])
    except KeyboardInterrupt:
        kept = obtaining.what_is_kept(options["name"])
        raise stopped(f"stopped: {kept}" if kept else "stopped") from None
    return _made(made)


def add(options: Options) -> str:
    return _described(obtaining.add(options["path"], options["name"], **_remembered(options)))


def import_checkpoint(options: Options) -> str:
    return _made(conversions.import_checkpoint(options["checkpoint"], options["name"], **_remembered(options)))


def _remembered(options: Options) -> dict[str, str]:
    engine = ENGINE_OF_WINDOW.get(options["window"], "")
    return {"engine": engine, "licence": options["licence"], "language": options["language"]}


def quantize(options: Options) -> str:
    return _made(conversions.quantize(options["name"], options["to"]))


def make_default(options: Options) -> str:
    installed.make_default(options["name"])
    return f"{options['name']}: new tenants begin with it; those that are there keep theirs"


def remove(options: Options) -> str:
    installed.remove(options["name"], force=options["force"])
    return f"{options['name']}: removed"


def _list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def _fetch_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--accept-changed", action="store_true", help="although it was another file the first time")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="FILE", help="an ONNX file, feats (B, T, 80) to embs (B, D)")
    parser.add_argument("--name", default="", help="the file's own unless given")
    _remembered_arguments(parser)


def _import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a folder with avg_model.pt and config.yaml"
    )
    parser.add_argument("--name", required=True)
    _remembered_arguments(parser)


def _remembered_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--licence", default="", help="to be remembered")
    parser.add_argument("--language", default="", help="to be remembered")
    parser.add_argument("--window", choices=list(ENGINE_OF_WINDOW), help="of the features that it was trained on")


def _quantize_arguments(parser: ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument("--to", required=True, choices=list(conversions.SUFFIXES))


def _name_argument(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _remove_arguments(parser: ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument("--force", action="store_true", help="although tenants use it, if nobody is enrolled with it")


SUBCOMMANDS = (
    Subcommand("list", "show what is published and what is installed", _list_arguments, list_models),
    Subcommand("fetch", "download and install a published model", _fetch_arguments, fetch),
    Subcommand("add", "install a file", _add_arguments, add),
    Subcommand("import", "turn a checkpoint, or an archive of one, into a model", _import_arguments, import_checkpoint),
    Subcommand("quantize", "make a smaller form of a model", _quantize_arguments, quantize),
    Subcommand("default", "let new tenants begin with a model", _name_argument, make_default),
    Subcommand("remove", "remove a model that nobody uses", _remove_arguments, remove),
)


class Command(StoppableCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        choices = parser.add_subparsers(dest="what", required=True, metavar="|".join(one.name for one in SUBCOMMANDS))
        for one in SUBCOMMANDS:
            one.arguments(choices.add_parser(one.name, help=one.help, description=one.help))

    def handle(self, *args: Any, what: str, **options: Any) -> str:
        chosen = next(one for one in SUBCOMMANDS if one.name == what)
        try:
            return chosen.run(options)
        except (ModelError, VoiceprintError, OSError) as error:
            raise CommandError(words_of(error)) from None


def _described(card: ModelCard) -> str:
    return f"{card.name}: installed, {card.dimension} numbers per voice, sha256 {card.sha256}"


def _made(made: Made) -> str:
    return "\n".join([*([str(made.parity)] if made.parity else []), _described(made.card)])
