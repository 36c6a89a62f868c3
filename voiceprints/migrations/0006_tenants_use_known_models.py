from django.db import migrations


class Migration(migrations.Migration):
    """A tenant's model is known, and so is what new tenants begin with."""

    dependencies = [("voiceprints", "0005_several_models"), ("tenants", "0004_models")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE tenants_{table} ADD CONSTRAINT {table}_of_a_known_model"
            " FOREIGN KEY (model) REFERENCES voiceprints_embeddingmodel (name)",
            f"ALTER TABLE tenants_{table} DROP CONSTRAINT {table}_of_a_known_model",
        )
        for table in ("tenant", "defaults")
    ]
