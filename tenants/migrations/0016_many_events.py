from django.db import migrations

from tenants.chains import linked_by_the_thousand


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0015_consents"),
    ]

    operations = [linked_by_the_thousand()]
