from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("voiceprints", "0027_files_erased"),
    ]

    operations = [
        migrations.AddField(
            model_name="jobrow",
            name="fields",
            field=models.JSONField(null=True),
        ),
    ]
