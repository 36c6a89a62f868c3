"""The whole platform while its PostgreSQL stands still: it says nothing, and closes nothing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.config.installation import Platform, installation, is_success
from tests.servers import frozen

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]

# More than there are threads in the web processes.
CROWD = 100
COMPONENT_ERROR = "16003"


@pytest.fixture
def platform() -> Iterator[Platform]:
    with installation() as platform:
        platform.start()
        yield platform


def health(platform: Platform) -> tuple[int, str]:
    """The status, and what is said of the database."""
    address = f"http://127.0.0.1:{platform.port}/health/ready"
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, json.load(answer)["parts"]["database"]
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)["parts"]["database"]


def test_everybody_is_told_so_by_a_platform_whose_database_stands_still_and_it_works_again_by_itself(platform):
    assert is_success(platform.enroll())
    with frozen(platform.process_named("bin/postgres", "-D")):
        with ThreadPoolExecutor(CROWD) as crowd:
            codes = [reply["code"] for reply in crowd.map(lambda _: platform.identify_signed(), range(CROWD))]
        assert set(codes) == {COMPONENT_ERROR}
        assert health(platform) in {(503, "down"), (503, "no answer in time")}
    platform.wait_for(lambda: health(platform) == (200, "ok"))
    assert platform.identify_signed()["data"][0]["spk_name"] == "susan"
    assert "started again" not in platform.printed
