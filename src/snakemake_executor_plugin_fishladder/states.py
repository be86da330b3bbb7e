"""Names of the objects in which a job says that it has begun and how it ended. One LIST tells a thousand."""

from dataclasses import dataclass

# Exit codes of a container whose rule has not begun. A rule's own command may end with the same: then there is an End.
NO_RUNTIME, VOID, UNREACHABLE = 97, 96, 94


@dataclass(frozen=True)
class End:
    """How one attempt of one job ended, as it stands in the name of its object.

    `code` is that of the rule's own command. `cause` is "oom" or "disk" where memory or scratch is to blame for it.
    """

    index: int
    attempt: int
    code: int
    cause: str
    start: float
    stop: float
    peak_mb: int
    instance: str = "-"

    def name(self) -> str:
        facts = (self.index, self.attempt, self.code, self.cause or "-", int(self.start), int(self.stop), self.peak_mb)
        return ".".join(map(str, facts)) + f".{self.instance or '-'}"

    @classmethod
    def parse(cls, name: str) -> "End":
        index, attempt, code, cause, start, stop, peak_mb, instance = name.split(".", 7)
        cause = cause.strip("-")
        return cls(int(index), int(attempt), int(code), cause, int(start), int(stop), int(peak_mb), instance)


def folder(prefix: str, submission: str) -> str:
    """Where the jobs of a submission leave their states."""
    return "/".join(filter(None, (prefix, "jobs", submission)))


def claim_key(prefix: str, submission: str, index: int) -> str:
    """The object that the first to run a job creates, and no other can: so a job never runs twice at once."""
    return f"{folder(prefix, submission)}/claim/{index}"


def end_folder(prefix: str, submission: str) -> str:
    return f"{folder(prefix, submission)}/end/"


def open_folder(prefix: str, workflow: str) -> str:
    """Where the manifests of submissions that have not ended are."""
    return "/".join(filter(None, (prefix, "open", workflow))) + "/"
