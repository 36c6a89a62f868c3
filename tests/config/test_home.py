"""Locks in OPENVPR_HOME, which commands of one account and starts of another use in turn."""

import fcntl
import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.home import held, private_folder
from config.settings import BASE_DIR


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for another account")
def test_a_lock_that_root_takes_first_belongs_to_the_account_of_its_folder(tmp_path):
    os.chown(tmp_path, 12345, 12345)
    with held(tmp_path / "in-use.lock", fcntl.LOCK_SH, AssertionError()):
        assert (tmp_path / "in-use.lock").stat().st_uid == 12345


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    target = tmp_path / "of-somebody-else"
    target.touch()
    before = target.stat()
    (tmp_path / "in-use.lock").symlink_to(target)
    with (
        pytest.raises(OSError, match="symbolic links"),
        held(tmp_path / "in-use.lock", fcntl.LOCK_SH, AssertionError()),
    ):
        pass
    assert target.stat() == before


AS_A_PLAIN_ACCOUNT = """
import os, sys
from pathlib import Path
from config.home import private_folder

os.chmod(sys.argv[1], 0o600)
if os.geteuid() == 0:
    os.seteuid(65534)
private_folder(Path(sys.argv[1]) / "home")
"""


def test_below_a_closed_folder_it_is_said_that_nobody_may(tmp_path):
    command = [sys.executable, "-c", AS_A_PLAIN_ACCOUNT, str(tmp_path)]
    ended = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=False)
    tmp_path.chmod(0o700)
    assert ended.stderr.splitlines()[-1].endswith(f"OPENVPR_HOME cannot hold {tmp_path}/home: permission denied")


def test_a_link_that_leads_nowhere_is_refused_as_such(tmp_path):
    link = tmp_path / "postgres"
    link.symlink_to(tmp_path / "absent")
    with pytest.raises(ImproperlyConfigured, match="it is a link to something that is not there"):
        private_folder(link)
