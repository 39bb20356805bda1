"""What these tests share."""

from collections.abc import Iterator

import pytest

from tests.support.object_store import ObjectStore, object_store


@pytest.fixture(scope="session")
def s3() -> Iterator[ObjectStore]:
    """An S3 server with an empty bucket."""
    with object_store() as store:
        yield store
