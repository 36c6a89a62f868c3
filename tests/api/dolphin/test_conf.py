"""The settings of this dialect refuse nonsense in one line."""

import os
import subprocess
import sys
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from api.dolphin import conf

START = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup()"


def started(code="", **environment):
    return subprocess.run(
        [sys.executable, "-c", f"{START}\n{code}"],
        env={**os.environ, **environment},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def test_networks_are_read():
    listed = conf.networks(["10.1.0.0/16", " ::1/128", ""], tenant="acme")
    assert listed == (ip_network("10.1.0.0/16"), ip_network("::1"))


@pytest.mark.parametrize("text", ["10.1.2.3/8", "home", "300.0.0.0/8"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ImproperlyConfigured, match="OPENVPR_DOLPHIN_ROOT_NETWORKS must list networks"):
        conf.networks([text], tenant="acme")


def test_networks_of_no_tenant_are_refused():
    with pytest.raises(ImproperlyConfigured, match="OPENVPR_DOLPHIN_ROOT_NETWORKS needs OPENVPR_DOLPHIN_ROOT_TENANT"):
        conf.networks(["10.1.0.0/16"], tenant="")


def test_what_is_no_slug_is_refused():
    with pytest.raises(ImproperlyConfigured, match="OPENVPR_DOLPHIN_ROOT_TENANT"):
        conf.tenant_slug("No Slug")


def test_nothing_is_unusual_by_default():
    assert (conf.ROOT_TENANT, conf.ROOT_NETWORKS, conf.INCOMPLETE_STATUS) == ("", (), "22134")


def test_the_status_of_the_vendors_sample_can_be_chosen():
    code = "from api.dolphin.errors import INCOMPLETE; print(INCOMPLETE.status)"
    assert started(code, OPENVPR_DOLPHIN_INCOMPLETE_STATUS="22102").stdout.strip() == "22102"
    assert started(code).stdout.strip() == "22134"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OPENVPR_DOLPHIN_ROOT_TENANT", "No Slug"),
        ("OPENVPR_DOLPHIN_ROOT_NETWORKS", "10.1.0.0/16"),
        ("OPENVPR_DOLPHIN_ROOT_NETWORKS", "home"),
        ("OPENVPR_DOLPHIN_INCOMPLETE_STATUS", "22135"),
    ],
)
def test_the_platform_does_not_start_with_nonsense(name, text):
    last = started(**{name: text}).stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert name in last
