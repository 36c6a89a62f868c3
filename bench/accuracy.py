"""Error rates of the whole pipeline on your own trials.

    python -m bench.accuracy FOLDER TRIALS

FOLDER holds the recordings, TRIALS one trial per line: `1 enrolled.flac test.flac` for the same speaker, `0 …` for two.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.analysis import analyze
from audio.catalogue import DEFAULT_MODEL
from audio.encoders import load_encoder
from audio.results import Embedding

FALSE_ACCEPT_RATES: Final = (0.01, 0.001)


def main() -> None:
    arguments = _arguments()
    trials = [line.split() for line in arguments.trials.read_text().splitlines()]

    @cache
    def embedding(name: str) -> Embedding:
        content = (arguments.folder / name).read_bytes()
        return analyze(content, encoders=[load_encoder(arguments.encoder)], denoise=arguments.denoise).embedding

    same = np.array([label == "1" for label, _, _ in trials])
    scores = np.array([embedding(enrolled) @ embedding(test) for _, enrolled, test in trials])
    report(scores, same)


def report(scores: NDArray[np.float32], same: NDArray[np.bool_]) -> None:
    thresholds, false_accepts, false_rejects = error_curves(scores, same)
    equal = int(np.argmin(np.abs(false_accepts - false_rejects)))
    rate = (false_accepts[equal] + false_rejects[equal]) / 2
    print(f"{same.sum()} same-speaker and {(~same).sum()} different-speaker trials")
    print(f"EER {100 * rate:.2f} % at threshold {thresholds[equal]:.3f}")
    for allowed in FALSE_ACCEPT_RATES:
        at = int(np.searchsorted(false_accepts, allowed, side="right")) - 1
        print(f"FAR ≤ {100 * allowed:.1f} %: threshold {thresholds[at]:.3f}, FRR {100 * false_rejects[at]:.2f} %")


def error_curves(
    scores: NDArray[np.float32], same: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds from strict to lax, and the false accept and false reject rate of accepting at or above each."""
    order = np.argsort(-scores, kind="stable")
    accepted = same[order]
    false_accepts = np.cumsum(~accepted) / (~same).sum()
    false_rejects = 1 - np.cumsum(accepted) / same.sum()
    return scores[order], false_accepts, false_rejects


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("trials", type=Path)
    parser.add_argument("--encoder", default=DEFAULT_MODEL)
    parser.add_argument("--denoise", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
