"""The storage interface's own test class, on a real server and on moto; then what it leaves out."""

import pytest
from snakemake_interface_storage_plugins.tests import TestStorageBase

from snakemake_storage_plugin_fishladder import StorageProvider, StorageProviderSettings

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
