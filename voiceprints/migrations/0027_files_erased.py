from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("voiceprints", "0026_one_index_for_each_look_up"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="files_erased",
            field=models.DateTimeField(null=True),
        ),
    ]
