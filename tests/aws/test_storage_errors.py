"""What a user reads when S3 refuses, and what may be set."""

import dataclasses
import logging
import os

import botocore.exceptions as failures
import pytest
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

from snakemake_storage_plugin_fishladder import StorageProvider, StorageProviderSettings
from snakemake_storage_plugin_fishladder.errors import explain
from tests.aws.storage_helpers import provider_for

pytest_plugins = ["tests.aws.storage_servers"]


def refusal(code, **more):
    return failures.ClientError({"Error": {"Code": code, "Message": "no", **more}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (refusal("ExpiredToken"), "expired.*aws sso login.*run the same command again"),
        (refusal("400"), "expired credentials look like this"),
        (refusal("AccessDenied"), "s3:ListBucket.*s3:PutObject"),
        (refusal("NoSuchBucket"), "no such bucket.*never created"),
        (
            refusal("AuthorizationHeaderMalformed", Region="eu-west-3"),
            r"another region \(eu-west-3\).*--storage-fishladder-region",
        ),
        (refusal("RequestTimeTooSkewed"), "clock is wrong"),
        (refusal("InvalidAccessKeyId"), "does not know these credentials"),
        (refusal("SlowDown"), "slow down.*--storage-fishladder-transfers"),
        (refusal("KMS.DisabledException"), "--storage-fishladder-kms-key-id"),
        (refusal("InvalidObjectState"), "archived.*restore-object"),
        (failures.NoCredentialsError(), "aws configure.*--storage-fishladder-unsigned"),
        (failures.PartialCredentialsError(provider="env", cred_var="secret"), "No complete credentials"),
        (failures.SSLError(endpoint_url="https://s3", error="x"), "--storage-fishladder-verify"),
        (
            failures.EndpointConnectionError(endpoint_url="http://s3"),
            "does not answer.*AWS_REGION.*--storage-fishladder-endpoint-url",
        ),
        (failures.ProfileNotFound(profile="lab"), "lab.*AWS_PROFILE"),
    ],
)
def test_names_the_remedy(error, remedy):
    import re

    assert re.search(remedy, explain(error), re.DOTALL)


def test_passes_on_what_it_does_not_know_in_the_servers_own_words():
    assert "Teapot" in explain(refusal("Teapot"))


def test_says_that_there_are_no_credentials(moto_bucket, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_") and name.endswith(("ID", "KEY"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(WorkflowError, match="No complete credentials were found"):
        provider_for(moto_bucket, tmp_path).object(f"s3://{moto_bucket.name}/a").exists()


def test_says_that_credentials_are_refused(minio_bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    file = provider_for(minio_bucket, tmp_path).object(f"s3://{minio_bucket.name}/a")
    with pytest.raises(WorkflowError, match=r"a: Access is denied.*GetObject|a: Access is denied.*HeadObject: 403"):
        file.exists()


def test_says_that_nobody_answers(moto_bucket, tmp_path):
    provider = provider_for(moto_bucket, tmp_path, endpoint_url="http://127.0.0.1:9", retries=1)
    with pytest.raises(WorkflowError, match="does not answer"):
        provider.object("s3://bucket/a").exists()


def test_a_missing_bucket_is_an_error_and_not_an_absent_file(bucket, tmp_path):
    with pytest.raises(WorkflowError, match="no such bucket"):
        provider_for(bucket, tmp_path).object(f"s3://{bucket.name}-absent/a").exists()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"encryption": "rot13"}, "encryption is 'rot13'; it can be AES256, aws:kms"),
        ({"addressing_style": "x"}, "it can be auto, path, virtual"),
        ({"retry_mode": "legacy"}, "it can be adaptive, standard"),
        ({"checksums": "md5"}, "it can be crc32, off"),
        ({"part_size_mb": 4}, "part-size-mb is 4; it must be at least 5"),
        ({"transfers": 0}, "at least 1"),
        ({"kms_key_id": "alias/x"}, "needs --storage-fishladder-encryption aws:kms"),
    ],
)
def test_refuses_settings_that_cannot_be(tmp_path, given, complaint):
    with pytest.raises(WorkflowError, match=complaint):
        StorageProvider(tmp_path / "local", logging.getLogger(), settings=StorageProviderSettings(**given))


def test_every_setting_has_a_help_text_and_none_holds_a_secret():
    settings = [
        setting for setting in dataclasses.fields(StorageProviderSettings) if setting.name != "max_requests_per_second"
    ]
    assert len(settings) > 10
    assert all(len(setting.metadata["help"]) > 20 for setting in settings)
    assert not [s.name for s in settings if any(word in s.name for word in ("secret", "access", "token", "password"))]


def test_snakemake_finds_the_plugin_by_its_name_and_boto3_is_not_loaded_for_that():
    import subprocess
    import sys

    plugin = StoragePluginRegistry().get_plugin("fishladder")
    assert plugin.is_read_write()
    assert plugin.get_cli_arg("endpoint_url") == "--storage-fishladder-endpoint-url"
    loads = "import sys, snakemake_storage_plugin_fishladder; print('boto3' in sys.modules, 'botocore' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", loads], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"}
    )
    assert ended.stdout.split() == ["False", "False"], ended.stderr


def test_unsigned_requests_read_a_public_bucket(minio_bucket, tmp_path, monkeypatch):
    import json

    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"]}
    statement["Resource"] = [f"arn:aws:s3:::{minio_bucket.name}", f"arn:aws:s3:::{minio_bucket.name}/*"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    minio_bucket.client.put_bucket_policy(Bucket=minio_bucket.name, Policy=policy)
    minio_bucket.write("a.txt", b"public")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = provider_for(minio_bucket, tmp_path, unsigned=True).object(f"s3://{minio_bucket.name}/a.txt")
    file.local_path().parent.mkdir(parents=True)
    file.retrieve_object()
    assert file.local_path().read_bytes() == b"public"


def test_asks_file_by_file_where_listing_is_not_allowed(minio_bucket, tmp_path, monkeypatch):
    import json

    from snakemake.io import IOCache

    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"]}
    statement["Resource"] = [f"arn:aws:s3:::{minio_bucket.name}/*"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    minio_bucket.client.put_bucket_policy(Bucket=minio_bucket.name, Policy=policy)
    minio_bucket.write("folder/a.txt", b"public")
    provider = provider_for(minio_bucket, tmp_path, unsigned=True)
    provider.lookup.iocache = IOCache(20)
    file = provider.object(f"s3://{minio_bucket.name}/folder/a.txt")
    assert file.exists()
    assert file.size() == 6
