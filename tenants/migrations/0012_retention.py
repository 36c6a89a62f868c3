import django.utils.timezone
from django.core.validators import MaxValueValidator
from django.db import migrations, models
from django.db.models import PositiveIntegerField


def period(what: str, **options: object) -> PositiveIntegerField:
    validators = [MaxValueValidator(36500)]
    return PositiveIntegerField(
        blank=True, editable=False, null=True, validators=validators, verbose_name=what, **options
    )


class Migration(migrations.Migration):
    dependencies = [("tenants", "0011_audit")]

    operations = [
        migrations.AddField("tenant", "recordings_kept_days", period("recordings", default=None)),
        # Tenants who are there go on keeping what they kept; new ones begin with a period.
        migrations.AddField("tenant", "probes_kept_days", period("probes")),
        migrations.AddField("tenant", "enrollments_kept_days", period("incomplete enrollments")),
        migrations.AlterField("tenant", "probes_kept_days", period("probes", default=30)),
        migrations.AlterField("tenant", "enrollments_kept_days", period("incomplete enrollments", default=30)),
        migrations.CreateModel(
            name="CleanupRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job", models.CharField(max_length=32, verbose_name="job")),
                ("started", models.DateTimeField(default=django.utils.timezone.now, verbose_name="started")),
                ("finished", models.DateTimeField(null=True, verbose_name="finished")),
                ("counts", models.JSONField(default=dict, verbose_name="removed")),
                ("problem", models.CharField(blank=True, max_length=100, verbose_name="problem")),
            ],
            options={
                "verbose_name": "clean-up run",
                "verbose_name_plural": "clean-up runs",
                "ordering": ["-started", "-id"],
                "indexes": [
                    models.Index(fields=["job", "-started"], name="runs_of_a_job"),
                    models.Index(fields=["started"], name="runs_by_time"),
                ],
            },
        ),
    ]
