import django.db.models.deletion
from django.db import migrations, models

# Of every tenant, which takes the view of the platform; the end of the transaction forgets it.
WHAT_WAS_SAID = """
SELECT set_config('app.platform', 'on', true);
UPDATE voiceprints_voiceprint AS voiceprint SET speech_seconds = said.seconds FROM (
    SELECT utterance.speaker_id, embedding.model, sum(utterance.speech_seconds) AS seconds
    FROM voiceprints_utteranceembedding AS embedding
    JOIN voiceprints_utterance AS utterance ON utterance.id = embedding.utterance_id
    GROUP BY utterance.speaker_id, embedding.model
) AS said WHERE said.speaker_id = voiceprint.speaker_id AND said.model = voiceprint.model;
SELECT set_config('app.platform', '', true);
"""


class Migration(migrations.Migration):
    dependencies = [("voiceprints", "0007_generations")]

    operations = [
        migrations.CreateModel(
            name="ModelCalibration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("record", models.JSONField(verbose_name="calibration")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calibrations",
                        to="voiceprints.embeddingmodel",
                        verbose_name="model",
                    ),
                ),
            ],
            options={
                "verbose_name": "calibration",
                "verbose_name_plural": "calibrations",
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="voiceprint",
            name="speech_seconds",
            field=models.FloatField(default=0.0),
            preserve_default=False,
        ),
        migrations.RunSQL(WHAT_WAS_SAID, migrations.RunSQL.noop),
    ]
