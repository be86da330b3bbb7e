"""What a user can set: on the command line, in a profile, or as keywords of a `storage fishladder:` block.

There is no setting for keys or tokens. boto3 finds them where every AWS tool does (environment, profile, the role of
the instance or of the job), so that none is ever written into a job's command line. For the same reason AWS_PROFILE,
AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS_CA_BUNDLE work here without a setting of ours.
"""

from dataclasses import dataclass, field

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase

CHOICES = {
    "addressing_style": {"auto", "path", "virtual"},
    "checksums": {"crc32", "off"},
    "encryption": {None, "AES256", "aws:kms", "aws:kms:dsse"},
    "retry_mode": {"standard", "adaptive"},
}


def setting(default, help, type=str):
    return field(default=default, metadata={"help": help, "type": type, "env_var": False, "required": False})


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    """One set for each tag; the untagged set serves every tag that has none."""

    endpoint_url: str | None = setting(None, "URL of an S3-compatible server, e.g. http://127.0.0.1:9000. Default: AWS")
    region: str | None = setting(None, "Region of the bucket. Default: AWS_REGION or the profile's region")
    addressing_style: str = setting("auto", "path (http://host/bucket), virtual (http://bucket.host) or auto")
    unsigned: bool = field(
        default=False,
        metadata={"help": "Send no credentials: for public buckets", "env_var": False, "required": False},
    )
    verify: str | None = setting(None, "A file of certificates to check the server by, or 'false' for no check")
    encryption: str | None = setting(
        None, "AES256 (S3's keys), aws:kms or aws:kms:dsse (KMS keys). Default: the bucket's own"
    )
    kms_key_id: str | None = setting(None, "The KMS key to encrypt with, by id or ARN; needs encryption aws:kms")
    storage_class: str | None = setting(
        None, "Storage class of what is written, e.g. INTELLIGENT_TIERING. Default: STANDARD"
    )
    checksums: str = setting(
        "crc32",
        "crc32: send a checksum of every whole file, and check what arrives; off: for servers that know no checksums",
    )
    transfers: int = setting(10, "Requests that carry data at the same time", int)
    part_size_mb: int = setting(16, "Files larger than this travel in parts of this many MB, side by side", int)
    retry_mode: str = setting("adaptive", "botocore's retry mode: adaptive slows down when throttled; or standard")
    retries: int = setting(8, "How often a call is tried on 429, 500, 503 and time-outs before it fails", int)
    connect_timeout: int = setting(10, "Seconds to wait for a connection", int)
    read_timeout: int = setting(60, "Seconds to wait for the next bytes of an answer", int)
    allow_bucket_root: bool = field(
        default=False,
        metadata={
            "help": "Accept a default storage prefix that is a whole bucket",
            "env_var": False,
            "required": False,
        },
    )


def check(settings: StorageProviderSettings) -> None:
    """Raise WorkflowError naming the setting that cannot be, and what can."""
    for name, allowed in CHOICES.items():
        if getattr(settings, name) not in allowed:
            wanted = ", ".join(sorted(choice for choice in allowed if choice))
            raise WorkflowError(f"{option(name)} is {getattr(settings, name)!r}; it can be {wanted}.")
    for name, least in {
        "transfers": 1,
        "part_size_mb": 5,
        "retries": 1,
        "connect_timeout": 1,
        "read_timeout": 1,
    }.items():
        if getattr(settings, name) < least:
            raise WorkflowError(f"{option(name)} is {getattr(settings, name)}; it must be at least {least}.")
    if settings.kms_key_id and not (settings.encryption or "").startswith("aws:kms"):
        raise WorkflowError(f"{option('kms_key_id')} needs {option('encryption')} aws:kms.")


def option(name: str) -> str:
    """How a setting is written on the command line."""
    return "--storage-fishladder-" + name.replace("_", "-")
