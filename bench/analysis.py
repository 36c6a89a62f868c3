"""What one recording costs: `python -m bench.analysis`. Prints the median of each step and the resident memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from audio.analysis import analyze
from audio.decode import decode
from audio.encoders import load_encoder
from audio.flac import encode_flac
from audio.quality import measure
from audio.results import Waveform
from audio.speech import segments_of, speech_probabilities

SAMPLES: Final = Path(__file__).parent.parent / "voiceprints" / "samples"
SECONDS: Final = 5.0
ROUNDS: Final = 30


def main() -> None:
    content = five_seconds()
    waveform = decode(content)
    encoder = load_encoder("ge2e")
    steps = {
        "decode": lambda: decode(content),
        "VAD + quality": lambda: judge(waveform),
        "FLAC": lambda: encode_flac(waveform),
        "encoder": lambda: encoder.embed(waveform),
        "analyze": lambda: analyze(content),
    }
    medians = side_by_side(steps)
    for name, milliseconds in medians.items():
        print(f"{name:14} {milliseconds:7.1f} ms")
    around = medians["decode"] + medians["VAD + quality"] + medians["FLAC"]
    print(f"(decode + VAD + quality + FLAC) / encoder = {around / medians['encoder']:.2f}")
    print(f"peak resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def five_seconds() -> bytes:
    spoken = decode((SAMPLES / "susan" / "2.opus").read_bytes())
    return encode_flac(Waveform(spoken.samples[: int(SECONDS * spoken.sample_rate)]))


def judge(waveform: Waveform) -> None:
    probabilities = speech_probabilities(waveform)
    measure(waveform, probabilities, segments_of(probabilities, len(waveform.samples)))


def side_by_side(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each step, the steps taking turns so that a busy machine is unfair to none."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
