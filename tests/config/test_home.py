"""Locks in OPENVPR_HOME, which commands of one account and starts of another use in turn."""

import fcntl
import os

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.home import held, private_folder


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


def test_a_link_that_leads_nowhere_is_refused_as_such(tmp_path):
    link = tmp_path / "postgres"
    link.symlink_to(tmp_path / "absent")
    with pytest.raises(ImproperlyConfigured, match="it is a link to something that is not there"):
        private_folder(link)
