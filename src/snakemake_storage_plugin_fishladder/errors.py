"""Say what went wrong with S3, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3.exceptions
import botocore.exceptions as failures
import s3transfer.exceptions
from snakemake_interface_common.exceptions import WorkflowError

EXPIRED = (
    "The credentials have expired. Renew them (`aws sso login`, or new temporary keys) and run the same command again: "
    "what is finished stays finished."
)
DENIED = (
    "Access is denied. The role or user needs s3:ListBucket on the bucket (for this prefix) and s3:GetObject, "
    "s3:PutObject, s3:DeleteObject on the prefix (docs/storage.md has the policy); with KMS also the use of the key. "
    "`aws sts get-caller-identity` shows who asks."
)
REGION = (
    "The bucket is in another region{region}. Set --storage-fishladder-region, or AWS_REGION; for a server that is not "
    "AWS also --storage-fishladder-endpoint-url."
)
REMEDIES = {
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "RequestExpired": EXPIRED,
    "400": "The server refused the request without a reason; expired credentials look like this. " + EXPIRED,
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "403": DENIED,
    "InvalidAccessKeyId": "The server does not know these credentials. Check AWS_PROFILE or AWS_ACCESS_KEY_ID, and "
    "that --storage-fishladder-endpoint-url names the server they belong to.",
    "InvalidToken": "The session token does not belong to these keys. Set all three of them anew, or none.",
    "SignatureDoesNotMatch": "The secret key does not belong to the access key. Check AWS_PROFILE or the environment.",
    "RequestTimeTooSkewed": "This machine's clock is wrong. Set it (`timedatectl set-ntp true`) and try again.",
    "NoSuchBucket": "There is no such bucket. Check its name; buckets are never created here: `aws s3 mb s3://NAME`.",
    "InvalidBucketName": "S3 does not allow this name for a bucket. Check it.",
    "PermanentRedirect": REGION,
    "TemporaryRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "301": REGION,
    "InvalidObjectState": "The object is archived (Glacier). Restore it first: `aws s3api restore-object`.",
    "InvalidStorageClass": "The server does not know --storage-fishladder-storage-class. Leave it out or correct it.",
    "EntityTooLarge": "The file is larger than S3 takes in this many parts. Raise --storage-fishladder-part-size-mb.",
    "XMinioStorageFull": "The server's disk is full. Make room there and run the same command again.",
    "QuotaExceeded": "The bucket's quota is used up. Make room there and run the same command again.",
    "SlowDown": "The server asks to slow down, also after every retry. Lower --storage-fishladder-transfers or --jobs.",
    "BadDigest": "What arrived at the server is not what was sent, also after every retry. Check network and memory.",
    "NotImplemented": "The server lacks a feature. For one without checksums: --storage-fishladder-checksums off.",
}
REMEDIES |= {
    "XAmzContentChecksumMismatch": REMEDIES["BadDigest"],
    "XAmzContentSHA256Mismatch": REMEDIES["BadDigest"],
    "IncompleteBody": REMEDIES["BadDigest"],
}


@contextmanager
def explained(place: object) -> Iterator[None]:
    """Turn what boto3 raises into a WorkflowError that names the place, the reason and the remedy."""
    try:
        yield
    except (failures.BotoCoreError, failures.ClientError, boto3.exceptions.Boto3Error) as error:
        raise WorkflowError(f"{place}: {explain(error)}") from error
    except (s3transfer.exceptions.RetriesExceededError, s3transfer.exceptions.S3DownloadFailedError) as error:
        cause = getattr(error, "last_exception", error)
        raise WorkflowError(f"{place}: the download was cut off again and again ({cause}). Try again later.") from error


def explain(error: Exception) -> str:
    """The reason and the remedy, in a sentence or two."""
    match error:
        case failures.ClientError():
            return explain_answer(error)
        case failures.NoCredentialsError() | failures.PartialCredentialsError():
            return (
                "No complete credentials were found. Run `aws configure` or `aws sso login`, set AWS_PROFILE, or give "
                "the instance or job a role; for a public bucket set --storage-fishladder-unsigned."
            )
        case failures.CredentialRetrievalError() | failures.SSOError() | failures.TokenRetrievalError():
            return f"The credentials could not be had ({error}). Run `aws sso login` or check AWS_PROFILE."
        case failures.ProfileNotFound() | failures.ConfigParseError():
            return f"{error}. Check AWS_PROFILE and ~/.aws/config."
        case failures.NoRegionError():
            return "No region is set. Set --storage-fishladder-region or AWS_REGION."
        case failures.SSLError():
            return f"The server's certificate was refused ({error}). Name its authority by --storage-fishladder-verify."
        case failures.HTTPClientError() | failures.ConnectionError():
            return (
                f"The server does not answer ({error}). Check the network, the region (AWS_REGION or "
                "--storage-fishladder-region) and --storage-fishladder-endpoint-url, then "
                "run the same command again."
            )
        case _:
            return str(error)


def explain_answer(error: "failures.ClientError") -> str:
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    if code.startswith("KMS"):
        remedy = "The KMS key cannot be used. Check --storage-fishladder-kms-key-id, its region and its key policy."
    elif code in REMEDIES:
        remedy = REMEDIES[code].replace("{region}", f" ({region})" if region else "")
    else:
        return str(error)
    return f"{remedy} [{error.operation_name}: {code}]"
