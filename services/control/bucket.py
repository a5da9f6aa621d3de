"""Makes the buckets of source and lake where they are missing, on a store of one's own such as MinIO."""

import structlog

from services.contracts.errors import TemporaryError, UsageError
from services.runtime.settings import Settings

log = structlog.get_logger()


def make_buckets(settings: Settings) -> None:
    """Make what is missing; UsageError where the store refuses, TemporaryError where it does not answer."""
    urls = [url for url in (settings.source, settings.lake) if url.startswith("s3://")]
    for bucket in sorted({url.removeprefix("s3://").partition("/")[0] for url in urls}):
        log.info("bucket", name=bucket, made=_make(bucket))


def _make(bucket: str) -> bool:
    """Whether it had to be made."""
    from botocore.exceptions import BotoCoreError, ClientError

    from services.lake.s3 import boto_client

    try:
        client = boto_client(1)
        region = client.meta.region_name
        if region == "us-east-1":  # the one region that must not be named
            client.create_bucket(Bucket=bucket)
        else:
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # type: ignore[typeddict-item]
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
        if code == "BucketAlreadyOwnedByYou":
            return False
        raise UsageError(
            f"s3://{bucket}: the bucket could not be made ({code}); check name and credentials"
        ) from refused
    except BotoCoreError as failure:
        raise TemporaryError(
            f"s3://{bucket}: the bucket could not be made ({failure}); run it again later"
        ) from failure
    return True
