"""An executor that does nothing: what Snakemake itself costs when jobs end at once."""

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)


class Executor(RemoteExecutor):
    def run_job(self, job):
        info = SubmittedJobInfo(job, external_jobid=f"instant-{job.jobid}")
        self.report_job_submission(info)
        self.report_job_success(info)

    async def check_active_jobs(self, active_jobs):
        for info in ():
            yield info

    def cancel_jobs(self, active_jobs):
        pass
