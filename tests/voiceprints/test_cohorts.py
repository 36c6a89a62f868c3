"""Score normalisation by a cohort, and the command that makes one."""

from __future__ import annotations

import io
import json
import stat

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tests.audio.recordings import SAMPLES
from tests.cast import KEN, LIBRARY, SUSAN, audio
from voiceprints import services
from voiceprints.cohorts import Cohort, CohortRefused, read_cohort, write_cohort
from voiceprints.scoring import as_norm, cohort_statistics

TRIALS = """\
1 susan/1.opus susan/2.opus
1 wei/1.opus wei/3.opus
0 susan/1.opus wei/1.opus
0 susan/2.opus ken/2.opus
"""


def test_the_statistics_are_those_of_the_nearest():
    # Cosines with the cohort: 1, 0.6, 0 and -1; the two nearest average 0.8 and lie 0.2 from that.
    cohort = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)
    mean, spread = cohort_statistics(np.array([[1, 0]], dtype=np.float32), cohort, nearest=2)

    assert mean == pytest.approx([0.8])
    assert spread == pytest.approx([0.2])


def test_more_neighbours_than_voices_are_all_of_them():
    cohort = np.array([[1, 0], [0, 1]], dtype=np.float32)
    mean, spread = cohort_statistics(np.array([[1, 0], [0, 1]], dtype=np.float32), cohort, nearest=100)

    assert mean == pytest.approx([0.5, 0.5])
    assert spread == pytest.approx([0.5, 0.5])


def test_a_normalised_score_by_hand():
    # 0.9 lies two spreads above what strangers get on one side, and four on the other.
    enrolled, test = (np.array([0.5]), np.array([0.2])), (np.array([0.5]), np.array([0.1]))

    assert as_norm(np.array([0.9]), enrolled, test) == pytest.approx([3.0])


def test_sides_may_be_exchanged():
    one, other = (np.array([0.4]), np.array([0.2])), (np.array([0.6]), np.array([0.1]))

    assert as_norm(np.array([0.7]), one, other) == as_norm(np.array([0.7]), other, one)


def test_a_cohort_survives_its_file_which_is_nobody_elses_to_read(tmp_path):
    cohort = Cohort("ge2e", np.eye(3, dtype=np.float32))
    write_cohort(tmp_path / "c.npz", cohort)
    read = read_cohort(tmp_path / "c.npz", model="ge2e")

    assert (read.model, read.embeddings.tolist()) == ("ge2e", cohort.embeddings.tolist())
    assert stat.S_IMODE((tmp_path / "c.npz").stat().st_mode) == 0o600


def test_a_cohort_written_over_a_file_that_others_can_read_is_nobody_elses_to_read(tmp_path):
    (tmp_path / "c.npz").write_bytes(b"before")
    (tmp_path / "c.npz").chmod(0o644)

    write_cohort(tmp_path / "c.npz", Cohort("ge2e", np.eye(3, dtype=np.float32)))

    assert stat.S_IMODE((tmp_path / "c.npz").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


def test_what_is_no_cohort_of_the_model_is_refused(tmp_path):
    write_cohort(tmp_path / "c.npz", Cohort("another", np.eye(3, dtype=np.float32)))
    with pytest.raises(CohortRefused, match="a cohort of 'another', not of 'ge2e'"):
        read_cohort(tmp_path / "c.npz", model="ge2e")
    array = io.BytesIO()
    np.save(array, np.eye(3))
    for content in (b"", b"text", b"PK\x03\x04 damaged", array.getvalue()):
        (tmp_path / "c.npz").write_bytes(content)
        with pytest.raises(CohortRefused):
            read_cohort(tmp_path / "c.npz", model="ge2e")


def test_a_pickle_is_not_opened(tmp_path):
    np.savez(tmp_path / "c.npz", model=np.array("ge2e"), embeddings=np.array([object()], dtype=object))
    with pytest.raises(CohortRefused):
        read_cohort(tmp_path / "c.npz", model="ge2e")


def test_a_folder_gives_a_voice_per_speaker_and_evaluate_shows_both(tmp_path, capsys):
    (tmp_path / "trials.txt").write_text(TRIALS)
    call_command("cohort", str(tmp_path / "c.npz"), "--root", str(SAMPLES), "--model", "ge2e")
    assert read_cohort(tmp_path / "c.npz", model="ge2e").embeddings.shape == (8, 256)

    words = ["--model", "ge2e", "--root", str(SAMPLES)]
    words += ["--cohort", str(tmp_path / "c.npz"), "--json", str(tmp_path / "e.json")]
    call_command("evaluate", str(tmp_path / "trials.txt"), *words)
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["as_norm"]["eer"] == figures["eer"] == 0
    assert figures["as_norm"]["eer_threshold"] > figures["eer_threshold"]
    assert "Normalised by a cohort of 8 voices" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_tenants_libraries_give_its_voiceprints_and_nobody_elses(acme, globex, tmp_path):
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN)])
    services.enroll(acme, LIBRARY, "ken", [audio(KEN)])
    services.enroll(acme, LIBRARY, "probe", [audio(KEN, 2)], probe=True)
    services.enroll(globex, LIBRARY, "theirs", [audio(SUSAN, 2)])
    call_command("cohort", str(tmp_path / "c.npz"), "--tenant", "acme")
    assert len(read_cohort(tmp_path / "c.npz", model="ge2e").embeddings) == 2
    with pytest.raises(CommandError, match="1 voices: a cohort needs 2"):
        call_command("cohort", str(tmp_path / "d.npz"), "--tenant", "globex")
    assert not (tmp_path / "d.npz").exists()
