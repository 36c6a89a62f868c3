"""How fast voices are embedded: `python -m bench.engines`. Needs the packages of `make wespeaker`.

The smaller forms of `manage.py models quantize` stand below each model, with their lowest cosine to it on the sample
voices and on pieces of them.

The same recording of 5 s and the same random weights of each architecture go through our encoder, the wespeaker
package's own `extract_embedding` (PyTorch) and sherpa-onnx's SpeakerEmbeddingExtractor, on one thread each. They take
turns, so that a busy machine is unfair to none, and what is compared is processor time. Each engine's memory is that of
a process of its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.analysis import analyze
from audio.decode import decode
from audio.encoders import SpeakerEncoder, open_encoder
from audio.onnx import sha256_of
from audio.results import SAMPLE_RATE, Waveform
from bench.analysis import SAMPLES, five_seconds

WEIGHTS: Final = "model.onnx"
ROUNDS: Final = 40
WARM_UP_ROUNDS: Final = 3
PACKAGE, SHERPA, OURS, ANALYSIS = "wespeaker", "sherpa-onnx", "encoder", "analyze"
ENGINES: Final = (OURS, ANALYSIS, PACKAGE, SHERPA)

Embed = Callable[[], NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory-of", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print_memory(arguments.memory_of, arguments.folder)
        return
    with tempfile.TemporaryDirectory(prefix="openvpr-bench-") as folder:
        compare_all(Path(folder))


def compare_all(folder: Path) -> None:
    from bench import checkpoints  # noqa: PLC0415 - what measures our own memory must not import PyTorch

    print(f"{'':22}" + "".join(f"{name:>13}" for name in ENGINES) + f"{'× wespeaker':>13}{'× sherpa-onnx':>15}")
    for architecture in checkpoints.ARCHITECTURES:
        prepare(folder / architecture, architecture)
        compare(folder / architecture)
        compare_smaller(folder / architecture)


def prepare(folder: Path, architecture: str) -> None:
    """`folder` gets the checkpoint, our conversion of it, and a copy with the notes that sherpa-onnx wants."""
    from audio.checkpoints import read_checkpoint  # noqa: PLC0415
    from audio.conversion import convert  # noqa: PLC0415
    from bench.checkpoints import write_checkpoint  # noqa: PLC0415

    parity = convert(read_checkpoint(write_checkpoint(folder, architecture)), folder / WEIGHTS)
    write_with_notes(folder / WEIGHTS, folder / "sherpa.onnx", parity.dimension)


def write_with_notes(source: Path, target: Path, dimension: int) -> None:
    import onnx  # noqa: PLC0415

    model = onnx.load(source)
    notes = {
        "framework": "wespeaker",
        "language": "English",
        "url": "",
        "comment": "",
        "sample_rate": SAMPLE_RATE,
        "output_dim": dimension,
        "normalize_samples": 0,
        "feature_normalize_type": "global-mean",
    }
    onnx.helper.set_model_props(model, {name: str(value) for name, value in notes.items()})
    onnx.save(model, target)


def compare(folder: Path) -> None:
    engines = {name: opened(name, folder) for name in ENGINES}
    medians = side_by_side(engines)
    memory = {name: peak_memory(name, folder) for name in ENGINES}
    theirs = engines[PACKAGE]()
    times = "".join(f"{medians[name]:10.1f} ms" for name in ENGINES)
    print(f"{folder.name:22}{times}{medians[PACKAGE] / medians[OURS]:13.2f}{medians[SHERPA] / medians[OURS]:15.2f}")
    print(f"{'  peak memory':22}" + "".join(f"{memory[name]:10.0f} MB" for name in ENGINES))
    print(f"{'  cosine to wespeaker':22}" + "".join(f"{cosine(engines[name](), theirs):13.4f}" for name in ENGINES))


def compare_smaller(folder: Path) -> None:
    from audio.quantization import PRECISIONS, AccuracyLost, quantize  # noqa: PLC0415

    voices = [decode(file.read_bytes()).samples for file in sorted(SAMPLES.glob("*/[12].opus"))]
    forms = {"float32": _open_encoder(folder)}
    for precision in PRECISIONS:
        target = folder / f"{precision}.onnx"
        try:
            said = f"{quantize(folder / WEIGHTS, target, precision, voices, 'hamming').lowest_cosine:.5f}"
        except AccuracyLost as refused:
            said = f"{refused.parity.lowest_cosine:.5f}, refused"
        forms[f"{precision:9}{target.stat().st_size / 1e6:6.1f} MB, cosine {said}"] = _open_encoder(folder, target.name)
    for name, milliseconds in side_by_side(forms).items():
        print(f"  {milliseconds:7.1f} ms  {name}")


def opened(engine: str, folder: Path) -> Embed:
    """What embeds the recording once, with everything loaded."""
    return OPEN[engine](folder)


def _waveform() -> Waveform:
    return decode(five_seconds())


def _encoder(weights: Path) -> SpeakerEncoder:
    return open_encoder("wespeaker", weights.stem, weights, sha256_of(weights))


def _open_encoder(folder: Path, weights: str = WEIGHTS) -> Embed:
    encoder, waveform = _encoder(folder / weights), _waveform()
    return lambda: encoder.embed(waveform)


def _open_analysis(folder: Path) -> Embed:
    encoder, content = _encoder(folder / WEIGHTS), five_seconds()
    return lambda: analyze(content, encoders=[encoder], trim_silence=False).embedding


def _open_package(folder: Path) -> Embed:
    from contextlib import redirect_stdout  # noqa: PLC0415

    from audio.toolkit import torch, wespeaker  # noqa: PLC0415

    with redirect_stdout(sys.stderr):
        speaker = wespeaker.load_model(str(folder))
    pcm = torch.from_numpy(_waveform().samples[None] * np.float32(2**15))
    return lambda: speaker.extract_embedding_from_pcm(pcm, SAMPLE_RATE).numpy()


def _open_sherpa(folder: Path) -> Embed:
    import sherpa_onnx  # noqa: PLC0415

    options = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(folder / "sherpa.onnx"), num_threads=1)
    samples = _waveform().samples
    extractor = sherpa_onnx.SpeakerEmbeddingExtractor(options)

    def embed() -> NDArray[np.float32]:
        stream = extractor.create_stream()
        stream.accept_waveform(SAMPLE_RATE, samples)
        stream.input_finished()
        return np.array(extractor.compute(stream), np.float32)

    return embed


OPEN: Final[dict[str, Callable[[Path], Embed]]] = {
    OURS: _open_encoder,
    ANALYSIS: _open_analysis,
    PACKAGE: _open_package,
    SHERPA: _open_sherpa,
}


def side_by_side(engines: dict[str, Embed]) -> dict[str, float]:
    """Median milliseconds of processor time of each."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(WARM_UP_ROUNDS + ROUNDS):
        for name, embed in engines.items():
            started = time.process_time()
            embed()
            times[name].append(1000 * (time.process_time() - started))
    return {name: median(taken[WARM_UP_ROUNDS:]) for name, taken in times.items()}


def peak_memory(engine: str, folder: Path) -> float:
    """Megabytes that a process of its own has had at most."""
    command = [sys.executable, "-m", "bench.engines", "--memory-of", engine, str(folder)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(ran.stdout)


def print_memory(engine: str, folder: Path) -> None:
    embed = opened(engine, folder)
    for _ in range(WARM_UP_ROUNDS):
        embed()
    # The figure of getrusage begins with that of the process that started this one.
    peak_kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak_kilobytes
    print(int(peak_kilobytes[1]) / 1024)


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


if __name__ == "__main__":
    main()
