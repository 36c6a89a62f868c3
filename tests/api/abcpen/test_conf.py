"""The settings of this dialect refuse nonsense in one line."""

import os
import subprocess
import sys
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from api.abcpen import conf


def test_networks_are_read():
    assert conf.networks(["10.1.0.0/16", " ::1/128", ""]) == (ip_network("10.1.0.0/16"), ip_network("::1"))


@pytest.mark.parametrize("text", ["10.1.2.3/8", "home", "300.0.0.0/8"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ImproperlyConfigured, match="OPENVPR_DOWNLOAD_ALLOW_NETWORKS"):
        conf.networks([text])


def test_what_is_no_slug_is_refused():
    with pytest.raises(ImproperlyConfigured, match="OPENVPR_ABCPEN_UNSIGNED_TENANT"):
        conf.tenant_slug("No Slug")


def test_nothing_is_unusual_by_default():
    assert (conf.OLD_SIGNATURE, conf.UNSIGNED_TENANT, conf.SCORE_FACTOR, conf.DOWNLOAD_ALLOW_NETWORKS) == (
        False,
        "",
        100.0,
        (),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OPENVPR_ABCPEN_OLD_SIGNATURE", "maybe"),
        ("OPENVPR_ABCPEN_SCORE_FACTOR", "0"),
        ("OPENVPR_ABCPEN_SCORE_FACTOR", "nan"),
        ("OPENVPR_ABCPEN_SCORE_FACTOR", "much"),
        ("OPENVPR_DOWNLOAD_ALLOW_NETWORKS", "home"),
    ],
)
def test_the_platform_does_not_start_with_nonsense(name, text):
    code = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup()"
    environment = {**os.environ, name: text}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    last = run.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert name in last
