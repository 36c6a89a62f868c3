from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0019_listening_has_a_scope"),
    ]

    operations = [
        migrations.AddField(
            model_name="cleanuprun",
            name="findings",
            field=models.JSONField(default=list, verbose_name="what was wrong"),
        ),
    ]
