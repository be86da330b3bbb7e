"""Names of the objects in which a job says that it has begun and how it ended. One LIST tells a thousand."""

from dataclasses import dataclass

NO_RUNTIME, VOID, DISK, UNREACHABLE = 97, 96, 95, 94


@dataclass(frozen=True)
class End:
    """How one attempt of one job ended, as it stands in the name of its object."""

    index: int
    attempt: int
    code: int
    oom: bool
    start: float
    stop: float
    peak_mb: int
    instance: str = "-"

    def name(self) -> str:
        facts = (self.index, self.attempt, self.code, int(self.oom), int(self.start), int(self.stop), self.peak_mb)
        return ".".join(map(str, facts)) + f".{self.instance or '-'}"

    @classmethod
    def parse(cls, name: str) -> "End":
        index, attempt, code, oom, start, stop, peak_mb, instance = name.split(".", 7)
        return cls(int(index), int(attempt), int(code), oom == "1", int(start), int(stop), int(peak_mb), instance)


def folder(prefix: str, batch: str) -> str:
    """Where the jobs of a submission leave their states."""
    return "/".join(filter(None, (prefix, "jobs", batch)))


def claim_key(prefix: str, batch: str, index: int) -> str:
    """The object that the first to run a job creates, and no other can: so a job never runs twice at once."""
    return f"{folder(prefix, batch)}/claim/{index}"


def end_folder(prefix: str, batch: str) -> str:
    return f"{folder(prefix, batch)}/end/"


def open_folder(prefix: str, workflow: str) -> str:
    """Where the manifests of submissions that have not ended are."""
    return "/".join(filter(None, (prefix, "open", workflow))) + "/"
