"""Recordings in a bucket of an S3 service: a file that is not there is told from a bucket that is not there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError
from storages.backends.s3 import S3Storage
from storages.utils import clean_name


class Bucket(S3Storage):  # type: ignore[misc]  # it has no types
    def must_be_there(self) -> None:
        """Raises ClientError."""
        self.connection.meta.client.head_bucket(Bucket=self.bucket_name)

    def delete(self, name: str) -> None:
        """A file that was not there is gone. Of one in a bucket that is not there nobody knows. Raises ClientError."""
        try:
            self.bucket.Object(self._normalize_name(clean_name(name))).delete()
        except ClientError as error:
            if _status(error) != HTTPStatus.NOT_FOUND:
                raise
            self.must_be_there()


def _status(error: ClientError) -> Any:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
