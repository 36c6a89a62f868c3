from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0020_clean_ups_say_what_was_wrong"),
    ]

    operations = [
        migrations.AlterField(
            model_name="cleanuprun",
            name="job",
            field=models.CharField(
                choices=[
                    ("recordings", "recordings whose time is over"),
                    ("probes", "probes whose time is over"),
                    ("enrollments", "enrollments never completed"),
                    ("files", "files nobody needs any more"),
                    ("storage", "the storage looked through"),
                    ("jobs", "jobs long over"),
                    ("answers", "answers kept for repeated requests"),
                    ("sign-ins", "sessions, invitations and failed sign-ins"),
                    ("audit", "the audit trail verified and trimmed"),
                    ("seals", "the audit trail sealed"),
                    ("sizes", "sizes of recordings noted"),
                    ("stock", "speakers and storage added up"),
                    ("waiting-jobs", "forgotten jobs sent again"),
                    ("erasures", "erasures carried on"),
                    ("vacuum", "the database's files cleared of what was erased"),
                ],
                max_length=32,
                verbose_name="job",
            ),
        ),
    ]
