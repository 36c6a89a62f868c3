from django.db import migrations


class Migration(migrations.Migration):
    """After the count, which reads the index, and apart from it: this lets nobody read the recordings meanwhile."""

    dependencies = [
        ("voiceprints", "0022_recordings_counted"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="utterance", name="utterances_summed_up"),
    ]
