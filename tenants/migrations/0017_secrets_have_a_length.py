from django.core.validators import MaxLengthValidator, MinLengthValidator
from django.db import migrations

from tenants.fields import EncryptedTextField


class Migration(migrations.Migration):
    dependencies = [("tenants", "0016_many_events")]

    operations = [
        migrations.AlterField(
            model_name="credential",
            name="secret",
            field=EncryptedTextField(
                validators=[MinLengthValidator(12), MaxLengthValidator(256)], verbose_name="secret"
            ),
        ),
    ]
