"""The models that WeSpeaker's project publishes: plain facts, and where each can be had.

Error rates are the project's own, in percent, with plain cosines: no score normalisation, since that needs a cohort of
one's own. `sha256` is empty for all of them, because the project publishes none: the first download is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

DOWNLOADS: Final = "https://wenet.org.cn/downloads?models=wespeaker&version="
DATASETS: Final = "https://modelscope.cn/datasets/wenet/wespeaker_pretrained_models/resolve/master/"

VOXCELEB: Final = "CC BY 4.0"
SEE_SOURCE: Final = "see source"
CROWD: Final = "200 000 speakers of Mandarin"

Kind = Literal["onnx", "checkpoint"]


@dataclass(frozen=True)
class PublishedModel:
    """`file` is its name on every mirror; `megabytes` and `dimension` are what to expect, the file itself decides.

    A `checkpoint` is an archive of PyTorch weights, which has to be turned into an ONNX file.
    """

    name: str
    file: str
    language: str
    licence: str
    data: str
    megabytes: int
    dimension: int
    error_rates: str = ""
    home: str = DOWNLOADS
    sha256: str = ""
    engine: str = "wespeaker"

    @property
    def kind(self) -> Kind:
        return "onnx" if self.file.endswith(".onnx") else "checkpoint"

    @property
    def published_as(self) -> str:
        """The project's own name of it."""
        return self.file.removesuffix(".onnx").removesuffix(".tar.gz")

    def address(self, mirror: str = "") -> str:
        """`mirror` is a folder on a web server that holds the files by their names."""
        base = f"{mirror.rstrip('/')}/" if mirror else self.home
        return base + quote(self.file, safe="")


def _vox(name: str, file: str, megabytes: int, dimension: int, error_rates: str = "") -> PublishedModel:
    rates = f"Vox1-O/E/H {error_rates}" if error_rates else ""
    return PublishedModel(name, f"{file}.onnx", "en", VOXCELEB, "VoxCeleb2", megabytes, dimension, rates)


def _blink(name: str, file: str, megabytes: int, data: str, error_rates: str = "") -> PublishedModel:
    rates = f"Vox1-O/E/H {error_rates}" if error_rates else ""
    return PublishedModel(name, f"{file}.onnx", "multilingual", SEE_SOURCE, data, megabytes, 256, rates)


def _crowd(name: str, file: str, megabytes: int) -> PublishedModel:
    """Of the toolkit's hub. They were trained on another window than the toolkit's own recipes have."""
    return PublishedModel(name, file, "zh", SEE_SOURCE, CROWD, megabytes, 192, home=DATASETS, engine="wespeaker-povey")


PUBLISHED: Final = {
    model.name: model
    for model in (
        _vox("resnet34", "voxceleb_resnet34", 26, 256, "0.867 / 1.049 / 1.959"),
        _vox("resnet34-LM", "voxceleb_resnet34_LM", 26, 256, "0.797 / 0.937 / 1.695"),
        _vox("resnet152-LM", "voxceleb_resnet152_LM", 79, 256),
        _vox("resnet221-LM", "voxceleb_resnet221_LM", 95, 256, "0.580 / 0.729 / 1.351"),
        _vox("resnet293-LM", "voxceleb_resnet293_LM", 115, 256, "0.532 / 0.707 / 1.311"),
        _vox("campplus", "voxceleb_CAM++", 29, 512, "0.803 / 0.932 / 1.860"),
        _vox("campplus-LM", "voxceleb_CAM++_LM", 29, 512, "0.707 / 0.845 / 1.664"),
        _vox("ecapa512", "voxceleb_ECAPA512", 25, 192, "1.069 / 1.209 / 2.310"),
        _vox("ecapa512-LM", "voxceleb_ECAPA512_LM", 25, 192, "0.878 / 1.072 / 2.007"),
        _vox("ecapa1024", "voxceleb_ECAPA1024", 59, 192, "0.856 / 1.072 / 2.059"),
        _vox("ecapa1024-LM", "voxceleb_ECAPA1024_LM", 59, 192, "0.798 / 0.993 / 1.883"),
        _vox("gemini-dfresnet114-LM", "voxceleb_gemini_dfresnet114_LM", 26, 256, "0.771 / 0.906 / 1.599"),
        _blink("samresnet34", "voxblink2_samresnet34", 101, "VoxBlink2"),
        _blink(
            "samresnet34-ft",
            "voxblink2_samresnet34_ft",
            101,
            "VoxBlink2 + VoxCeleb2",
            "0.415 / 0.615 / 1.121",
        ),
        _blink("samresnet100", "voxblink2_samresnet100", 201, "VoxBlink2"),
        _blink(
            "samresnet100-ft",
            "voxblink2_samresnet100_ft",
            201,
            "VoxBlink2 + VoxCeleb2",
            "0.229 / 0.458 / 0.868",
        ),
        PublishedModel(
            "cnceleb-resnet34", "cnceleb_resnet34.onnx", "zh", SEE_SOURCE, "CN-Celeb", 26, 256, "CN-Celeb 7.134"
        ),
        PublishedModel(
            "cnceleb-resnet34-LM", "cnceleb_resnet34_LM.onnx", "zh", SEE_SOURCE, "CN-Celeb", 26, 256, "CN-Celeb 6.652"
        ),
        _crowd("campplus-cn", "campplus_cn_common_200k.tar.gz", 29),
        _crowd("eres2net-cn", "eres2net_cn_commom_200k.tar.gz", 221),
    )
}


def find_published(name: str) -> PublishedModel | None:
    """By our name or the project's, such as `voxceleb_resnet34_LM`, in whatever case."""
    wanted = name.casefold()
    return next((m for m in PUBLISHED.values() if wanted in {m.name.casefold(), m.published_as.casefold()}), None)
