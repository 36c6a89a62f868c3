from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("voiceprints", "0024_own_calibrations"),
    ]

    operations = [
        migrations.AddField(
            model_name="embeddingmodel",
            name="engine",
            field=models.CharField(blank=True, max_length=32),
        ),
    ]
