from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("voiceprints", "0028_fields_of_failed_lines"),
    ]

    operations = [
        migrations.AddField(
            model_name="doomedrecording",
            name="planned",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
