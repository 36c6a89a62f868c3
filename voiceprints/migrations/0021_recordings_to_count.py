from django.db import migrations, models

from voiceprints.stocktaking import with_recordings


class Migration(migrations.Migration):
    """Apart from the count that follows: who stores takes the same locks in this order, and who removes in the other."""

    dependencies = [
        ("voiceprints", "0020_own_recordings"),
    ]

    operations = [
        migrations.AddField(
            model_name="stockchange",
            name="audio_milliseconds",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="stockchange",
            name="recordings",
            field=models.BigIntegerField(default=0),
        ),
        with_recordings(),
    ]
