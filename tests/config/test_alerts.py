"""What the rules for Prometheus take for trouble, and what not: promtool plays both to them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml
from django.conf import settings

RULES = settings.BASE_DIR / "docs" / "monitoring" / "alerts.yml"
ALERTS = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
STEP = {"OpenVPRScoresDrift": "1h"}
"""A minute for the others."""

# By alert: when it is looked at, and of each series what makes the alert fire, and what is well, in promtool's words.
SERIES = {
    "OpenVPRDown": (
        "5m",
        [
            ('up{job="openvpr"}', "0x5", "1x5"),
        ],
    ),
    "OpenVPRPartDown": (
        "5m",
        [
            ('openvpr_part_up{part="beat"}', "0x5", "0 1x4"),
        ],
    ),
    "OpenVPRRequestsFail": (
        "15m",
        [
            ('openvpr_requests_total{result="failed"}', "0+3x15", "0+1x15"),
            ('openvpr_requests_total{result="ok"}', "0+97x15", "0+99x15"),
        ],
    ),
    "OpenVPRSlow": (
        "30m",
        [
            ('openvpr_request_seconds_bucket{operation="verify",le="1"}', "0+50x30", "0+100x30"),
            ('openvpr_request_seconds_bucket{operation="verify",le="5"}', "0+100x30", "0+100x30"),
            ('openvpr_request_seconds_bucket{operation="verify",le="+Inf"}', "0+100x30", "0+100x30"),
        ],
    ),
    "OpenVPRRecordingsWait": (
        "5m",
        [
            ('openvpr_recordings_oldest_seconds{queue="embed"}', "11x5", "9x5"),
        ],
    ),
    "OpenVPRBusy": (
        "20m",
        [
            ('openvpr_analysis_seconds_count{result="busy"}', "0+1x20", "5x20"),
        ],
    ),
    "OpenVPRJobsWait": (
        "5m",
        [
            ("openvpr_jobs_oldest_queued_seconds", "3601x5", "3599x5"),
        ],
    ),
    "OpenVPRCleanupFailed": (
        "5m",
        [
            ('openvpr_cleanup_failed{task="files"}', "1x5", "0x5"),
        ],
    ),
    "OpenVPRCleanupOverdue": (
        "5m",
        [
            ('openvpr_cleanup_overdue_seconds{task="files"}', "3601x5", "3599x5"),
        ],
    ),
    "OpenVPRAuditTrailBroken": (
        "5m",
        [
            ('openvpr_cleanup_failed{task="audit"}', "1x5", "0x5"),
            ('openvpr_cleanup_failed{task="files"}', "0x5", "1x5"),
        ],
    ),
    "OpenVPRDeletionsWait": (
        "5m",
        [
            ('openvpr_deletion_waits_seconds{what="erasure"}', "21601x5", "21599x5"),
        ],
    ),
    "OpenVPRBackupTooOld": (
        "49h",
        [
            ("openvpr_backup_timestamp_seconds", "0x2940", "7200x2940"),
        ],
    ),
    "OpenVPRBackupLacksRecordings": (
        "5m",
        [
            ("openvpr_backup_missing_recordings", "1x5", "0x5"),
        ],
    ),
    "OpenVPRRecordingsLost": (
        "5m",
        [
            ('openvpr_storage_findings{kind="lost"}', "1x5", "0x5"),
            ('openvpr_storage_findings{kind="stray"}', "0x5", "9x5"),
        ],
    ),
    "OpenVPRDiskNearlyFull": (
        "20m",
        [
            ('openvpr_disk_free_bytes{place="home"}', "9x20", "11x20"),
            ('openvpr_disk_bytes{place="home"}', "100x20", "100x20"),
        ],
    ),
    "OpenVPRScoresDrift": (
        "10d",
        [
            ('openvpr_score_sum{operation="verify",model="ge2e"}', "0+42x192 8064+36x48", "0+42x240"),
            ('openvpr_score_count{operation="verify",model="ge2e"}', "0+60x240", "0+60x240"),
        ],
    ),
    "OpenVPRTenantNearQuota": (
        "20m",
        [
            ("openvpr_tenants_near_quota", "1x20", "0x20"),
        ],
    ),
}


def test_every_rule_is_tried():
    assert list(SERIES) == ALERTS


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("alert", SERIES)
@pytest.mark.parametrize("fires", [True, False], ids=["trouble", "well"])
def test_a_rule_fires_in_trouble_and_only_then(alert, fires, tmp_path):
    at, series = SERIES[alert]
    played = [{"series": name, "values": trouble if fires else well} for name, trouble, well in series]
    query = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": 1}] if fires else []
    trial = {
        "interval": STEP.get(alert, "1m"),
        "input_series": played,
        "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": expected}],
    }
    file = tmp_path / "trial.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [trial]}))
    run = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
