"""Speak the sample recordings with free synthesisers: `python -m voiceprints.samples.generate`.

Needs the programs espeak-ng and flite. The recordings are kept beside this file, so nobody else needs them.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame

from audio.decode import decode
from audio.results import Waveform

FOLDER: Final = Path(__file__).parent
BIT_RATE: Final = 32_000

ENGLISH: Final = (
    "Please open the blue door before the morning train arrives, and leave the key on the kitchen table.",
    "My grandfather kept seven bees in a wooden box, and he knew each of them by the sound of its wings.",
    "The weather was calm all week, so we walked along the river and talked about nothing in particular.",
    "Nobody remembers who planted the pear tree, but every autumn the whole street comes to pick the fruit.",
)
MANDARIN: Final = (
    "今天早上天气很好，我们一起去公园散步。",
    "请把蓝色的雨伞放在门口，不要忘记带上它。",
    "我的爷爷喜欢喝茶，每天给邻居讲老故事。",
    "火车八点钟到站，你可以先在书店等我。",
)


@dataclass(frozen=True)
class Voice:
    """A synthesiser and the sentences it speaks; a `size` above 1 lowers pitch and resonances like a bigger body."""

    synthesiser: list[str]
    texts: tuple[str, ...] = ENGLISH
    size: float = 1.0


def _flite(voice: str, duration: float = 1.0) -> list[str]:
    return ["flite", "-voice", voice, "--setf", f"duration_stretch={duration}"]


def _espeak(voice: str, pitch: int, words_per_minute: int = 165) -> list[str]:
    return ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(words_per_minute)]


# Chosen from 70 candidates as the eight that the default encoder finds least alike.
VOICES: Final = {
    "andrea": Voice(_espeak("en-us+Andrea", 70)),
    "callum": Voice(_flite("awb")),
    "ken": Voice(_flite("kal16", 0.9), size=1.11),
    "klaus": Voice(_espeak("en-us+klatt2", 60)),
    "wei": Voice(_espeak("cmn+aunty", 20, 220), MANDARIN),
    "robert": Voice(_flite("rms", 0.85), size=1.22),
    "stephanie": Voice(_espeak("en-us+steph", 20)),
    "susan": Voice(_flite("slt")),
}


def main() -> None:
    for name, voice in VOICES.items():
        (FOLDER / name).mkdir(exist_ok=True)
        for number, text in enumerate(voice.texts, start=1):
            spoken = decode(_speak(voice.synthesiser, text))
            (FOLDER / name / f"{number}.opus").write_bytes(_opus(_with_margins(_grown(spoken, voice.size))))


def _speak(synthesiser: list[str], text: str) -> bytes:
    """WAV of one sentence."""
    output_option, text_option = ("-o", "-t") if synthesiser[0] == "flite" else ("-w", "--")
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run([*synthesiser, output_option, file.name, text_option, text], check=True)
        return Path(file.name).read_bytes()


def _grown(waveform: Waveform, size: float) -> Waveform:
    return Waveform(soxr.resample(waveform.samples, waveform.sample_rate, waveform.sample_rate * size))


def _with_margins(waveform: Waveform) -> Waveform:
    """A quarter of a second of faint room noise at either end, as in a recording made by hand."""
    margin = waveform.sample_rate // 4
    noise = np.random.default_rng(len(waveform.samples)).standard_normal(len(waveform.samples) + 2 * margin)
    return Waveform((0.7 * np.pad(waveform.samples, margin) + 3e-4 * noise).astype(np.float32))


def _opus(waveform: Waveform) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".opus") as file:
        with av.open(file.name, "w", format="ogg") as container:
            stream = container.add_stream("libopus", rate=waveform.sample_rate)
            stream.layout, stream.bit_rate = "mono", BIT_RATE
            container.mux(stream.encode(_frame(waveform)))
            container.mux(stream.encode(None))
        return Path(file.name).read_bytes()


def _frame(waveform: Waveform) -> AudioFrame:
    frame = AudioFrame.from_ndarray(waveform.samples[None, :], format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = waveform.sample_rate, Fraction(1, waveform.sample_rate), 0
    return frame


if __name__ == "__main__":
    main()
