"""AWS clients: built once, rebuilt with fresh credentials; retries where repeating is harmless."""

import threading
from typing import Any

EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "TokenRefreshRequired",
}
THROTTLED = {
    "TooManyRequestsException",
    "TooManyRequests",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
}


class Clients:
    """boto3 clients by service, all of one region (`run_settings.region_of`).

    `batch-submit` never repeats a request by itself (see `submitting.submit`).
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self.lock = threading.Lock()
        self.made: dict[str, Any] = {}
        self.session: Any = None

    def __getitem__(self, service: str) -> Any:
        from botocore.config import Config

        with self.lock:
            if self.session is None:
                import boto3

                self.session = boto3.session.Session(region_name=self.region)
            if service not in self.made:
                once = service == "batch-submit"
                self.made[service] = self.session.client(
                    service.removesuffix("-submit"),
                    config=Config(
                        retries={"mode": "adaptive", "total_max_attempts": 1 if once else 10},
                        connect_timeout=10,
                        read_timeout=30,
                        max_pool_connections=16,
                    ),
                )
            return self.made[service]

    def renew(self) -> None:
        """Forget clients and credentials: the next call reads them again."""
        with self.lock:
            self.session, self.made = None, {}


def code_of(error: BaseException) -> str:
    """AWS's code of an error, or the name of its class."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code", "") if isinstance(response, dict) else type(error).__name__


def is_expired(error: BaseException) -> bool:
    """Whether credentials are missing, wrong or too old."""
    return code_of(error) in EXPIRED or type(error).__name__ in {
        "NoCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "UnauthorizedSSOTokenError",
        "PartialCredentialsError",
    }


def is_throttled(error: BaseException) -> bool:
    """Whether AWS refused the request for coming too fast: nothing has happened, it can be repeated."""
    return code_of(error) in THROTTLED


def is_passing(error: BaseException) -> bool:
    """Whether the network or AWS is to blame and the same request may do well later; never a mistake or a refusal."""
    from botocore.exceptions import IncompleteReadError

    return (
        is_throttled(error)
        or is_unclear(error)
        or code_of(error) in {"RequestTimeout", "RequestTimeoutException"}
        or isinstance(error, IncompleteReadError)
    )


def is_denied(error: BaseException) -> bool:
    """Whether the driver lacks a right."""
    return code_of(error) in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def is_unreached(error: BaseException) -> bool:
    """Whether nobody answers at AWS's address: no network, or no such region."""
    from botocore.exceptions import EndpointConnectionError

    return isinstance(error, EndpointConnectionError)


def is_unclear(error: BaseException) -> bool:
    """Whether the request may have been carried out although no answer came: a time-out, a lost line, a 5xx."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 and not is_throttled(error)
    from botocore import exceptions

    return isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError)
