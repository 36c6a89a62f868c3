from django.db import migrations

from voiceprints.stocktaking import recordings_counted


class Migration(migrations.Migration):
    dependencies = [
        ("voiceprints", "0021_recordings_to_count"),
    ]

    operations = [
        recordings_counted(),
    ]
