"""Hearing has a scope of its own. Tokens that could read until now could hear, and go on doing so."""

import django.contrib.postgres.fields
from django.db import migrations, models

# Of every tenant, which takes the view of the platform; the end of the transaction forgets it.
READERS_LISTEN = """
SELECT set_config('app.platform', 'on', true);
UPDATE tenants_accesstoken SET scopes = array_append(scopes, 'listen')
WHERE 'read' = ANY(scopes) AND NOT 'listen' = ANY(scopes);
SELECT set_config('app.platform', '', true);
"""
NOBODY_LISTENS = """
SELECT set_config('app.platform', 'on', true);
UPDATE tenants_accesstoken SET scopes = array_remove(scopes, 'listen');
SELECT set_config('app.platform', '', true);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0018_clean_ups_have_names"),
    ]

    operations = [
        migrations.RunSQL(READERS_LISTEN, NOBODY_LISTENS),
        migrations.AlterField(
            model_name="accesstoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("read", "read"),
                        ("listen", "listen"),
                        ("enroll", "enroll"),
                        ("recognise", "recognise"),
                        ("admin", "administer"),
                        ("path", "secret path, for a client that cannot sign"),
                    ],
                    max_length=16,
                ),
                size=None,
                verbose_name="scopes",
            ),
        ),
    ]
