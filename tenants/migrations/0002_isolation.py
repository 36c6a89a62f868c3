from django.db import migrations

from tenants.isolation import isolate


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        isolate(
            "tenants_credential",
            whoever_names_the_key_sees_it="key_id = (SELECT nullif(current_setting('app.key_id', true), ''))",
        ),
        isolate(
            "tenants_membership",
            users_see_their_own="user_id = (SELECT nullif(current_setting('app.user', true), '')::bigint)",
        ),
    ]
