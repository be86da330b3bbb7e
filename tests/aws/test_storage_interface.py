"""The storage interface's own test class, on a real server and on moto; then what it leaves out."""

import pytest
from snakemake_interface_storage_plugins.tests import TestStorageBase

from snakemake_storage_plugin_fishladder import StorageProvider, StorageProviderSettings
from snakemake_storage_plugin_fishladder.s3 import make_client

pytest_plugins = ["tests.aws.storage_servers"]


class OnServer(TestStorageBase):
    files_only = False
    touch = True

    @pytest.fixture(autouse=True)
    def use(self, bucket):
        self.bucket = bucket

    def get_storage_provider_cls(self):
        return StorageProvider

    def get_storage_provider_settings(self):
        return StorageProviderSettings(endpoint_url=self.bucket.url)

    def get_query(self, tmp_path):
        return f"s3://{self.bucket.name}/folder/test.txt"

    def get_query_not_existing(self, tmp_path):
        return f"s3://{self.bucket.name}/folder/absent.txt"


class TestInterface(OnServer):
    __test__ = True


class TestInterfaceWithSmallParts(OnServer):
    __test__ = True

    def get_storage_provider_settings(self):
        return StorageProviderSettings(endpoint_url=self.bucket.url, part_size_mb=5, transfers=2, retry_mode="standard")


@pytest.mark.parametrize(("setting", "region"), [(None, "eu-west-3"), ("eu-north-1", "eu-north-1")])
def test_the_region_is_the_setting_or_that_of_aws_region(monkeypatch, setting, region):
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert make_client(StorageProviderSettings(region=setting)).meta.region_name == region
