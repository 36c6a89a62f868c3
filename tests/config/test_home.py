"""Locks in OPENVPR_HOME, which commands of one account and starts of another use in turn."""

import fcntl
import os

import pytest

from config.home import held


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for another account")
def test_a_lock_that_root_takes_first_belongs_to_the_account_of_its_folder(tmp_path):
    os.chown(tmp_path, 12345, 12345)
    with held(tmp_path / "in-use.lock", fcntl.LOCK_SH, AssertionError()):
        assert (tmp_path / "in-use.lock").stat().st_uid == 12345
