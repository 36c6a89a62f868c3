from django.db import migrations

from tenants.isolation import isolate, same_tenant

TABLES = ["library", "speaker", "utterance", "utteranceembedding", "voiceprint", "doomedrecording"]

POINTERS = [
    ("speaker", "library_id", "library"),
    ("utterance", "speaker_id", "speaker"),
    ("utteranceembedding", "utterance_id", "utterance"),
    ("voiceprint", "library_id", "library"),
    ("voiceprint", "speaker_id", "speaker"),
]

VECTOR_TABLES = ["utteranceembedding", "voiceprint"]

MODEL_AND_DIMENSION = (
    "ALTER TABLE voiceprints_embeddingmodel ADD CONSTRAINT model_and_dimension UNIQUE (name, dimension)"
)


def of_a_known_model(table: str) -> migrations.RunSQL:
    """A vector's model is known, and its dimension is that model's."""
    return migrations.RunSQL(
        f"ALTER TABLE voiceprints_{table} ADD CONSTRAINT {table}_of_a_known_model"
        " FOREIGN KEY (model, dimension) REFERENCES voiceprints_embeddingmodel (name, dimension)",
        f"ALTER TABLE voiceprints_{table} DROP CONSTRAINT {table}_of_a_known_model",
    )


class Migration(migrations.Migration):
    dependencies = [("voiceprints", "0001_initial"), ("tenants", "0002_isolation")]

    operations = [
        *(isolate(f"voiceprints_{table}") for table in TABLES),
        *(same_tenant(f"voiceprints_{table}", column, f"voiceprints_{target}") for table, column, target in POINTERS),
        migrations.RunSQL(
            MODEL_AND_DIMENSION, "ALTER TABLE voiceprints_embeddingmodel DROP CONSTRAINT model_and_dimension"
        ),
        *(of_a_known_model(table) for table in VECTOR_TABLES),
    ]
