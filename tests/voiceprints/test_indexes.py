"""Each index is written with every row: one of which another does the work only costs."""

import pytest
from django.db import connection

BEGINS_ANOTHER = """
SELECT one.indexrelid::regclass::text
FROM pg_index one JOIN pg_index other ON other.indrelid = one.indrelid AND other.indexrelid <> one.indexrelid
WHERE one.indrelid::regclass::text LIKE 'voiceprints\\_%'
  AND NOT one.indisunique AND one.indpred IS NULL AND other.indpred IS NULL
  AND other.indkey::text LIKE one.indkey::text || ' %' AND one.indclass[0] = other.indclass[0]
"""


@pytest.mark.django_db
def test_no_index_is_the_beginning_of_another():
    with connection.cursor() as cursor:
        cursor.execute(BEGINS_ANOTHER)
        assert cursor.fetchall() == []
