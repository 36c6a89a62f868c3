"""Indexes of one column with which another index of the same table begins go: each is written with every row."""

import django.db.models.deletion
from django.db import migrations, models

GOING = {
    "voiceprints_job_tenant_id_160fc6bd": ("voiceprints_job", "tenant_id"),
    "voiceprints_jobrow_job_id_27e44ba5": ("voiceprints_jobrow", "job_id"),
    "voiceprints_library_tenant_id_41aefb5e": ("voiceprints_library", "tenant_id"),
    "voiceprints_optout_tenant_id_169186d7": ("voiceprints_optout", "tenant_id"),
    "voiceprints_speaker_library_id_b5879a5f": ("voiceprints_speaker", "library_id"),
    "voiceprints_speaker_tenant_id_f5090194": ("voiceprints_speaker", "tenant_id"),
    "voiceprints_utterance_tenant_id_7257214b": ("voiceprints_utterance", "tenant_id"),
    "voiceprints_utteranceembedding_tenant_id_5e05fac4": ("voiceprints_utteranceembedding", "tenant_id"),
    "voiceprints_utteranceembedding_utterance_id_383705bf": ("voiceprints_utteranceembedding", "utterance_id"),
    "voiceprints_voiceprint_library_id_b9dca31f": ("voiceprints_voiceprint", "library_id"),
    "voiceprints_voiceprint_speaker_id_4a4d8af7": ("voiceprints_voiceprint", "speaker_id"),
}


def drop_indexes() -> list[migrations.RunSQL]:
    """By hand: Django would make the foreign keys anew as well, and look at every row."""
    return [
        migrations.RunSQL(f"DROP INDEX IF EXISTS {name}", f"CREATE INDEX {name} ON {table} ({column})")
        for name, (table, column) in GOING.items()
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("voiceprints", "0025_engines"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            drop_indexes(),
            [
                migrations.AlterField(
                    model_name="job",
                    name="tenant",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="jobs",
                        to="tenants.tenant",
                        verbose_name="tenant",
                    ),
                ),
                migrations.AlterField(
                    model_name="jobrow",
                    name="job",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="voiceprints.job",
                    ),
                ),
                migrations.AlterField(
                    model_name="library",
                    name="tenant",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="libraries",
                        to="tenants.tenant",
                        verbose_name="tenant",
                    ),
                ),
                migrations.AlterField(
                    model_name="optout",
                    name="tenant",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="opt_outs",
                        to="tenants.tenant",
                        verbose_name="tenant",
                    ),
                ),
                migrations.AlterField(
                    model_name="speaker",
                    name="library",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="speakers",
                        to="voiceprints.library",
                        verbose_name="library",
                    ),
                ),
                migrations.AlterField(
                    model_name="speaker",
                    name="tenant",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="speakers",
                        to="tenants.tenant",
                        verbose_name="tenant",
                    ),
                ),
                migrations.AlterField(
                    model_name="utterance",
                    name="tenant",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="utterances",
                        to="tenants.tenant",
                        verbose_name="tenant",
                    ),
                ),
                migrations.AlterField(
                    model_name="utteranceembedding",
                    name="tenant",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="utterance_embeddings",
                        to="tenants.tenant",
                    ),
                ),
                migrations.AlterField(
                    model_name="utteranceembedding",
                    name="utterance",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="embeddings",
                        to="voiceprints.utterance",
                    ),
                ),
                migrations.AlterField(
                    model_name="voiceprint",
                    name="library",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="voiceprints",
                        to="voiceprints.library",
                    ),
                ),
                migrations.AlterField(
                    model_name="voiceprint",
                    name="speaker",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="voiceprints",
                        to="voiceprints.speaker",
                    ),
                ),
            ],
        ),
    ]
