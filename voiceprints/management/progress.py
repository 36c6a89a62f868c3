"""How far a download is, drawn where somebody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from audio.fetching import Progress


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    with tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
