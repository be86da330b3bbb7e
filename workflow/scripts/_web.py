"""Ask web servers patiently: retries with back-off, time limits, and errors that name the address."""

import hashlib
import re
from collections.abc import Iterable

import requests
import urllib3
from requests.adapters import HTTPAdapter

CONNECTIONS = 8
BUSY = (429, 500, 502, 503, 504)
ABSENT = (404, 410)
SECONDS_TO_CONNECT, SECONDS_TO_READ = 10, 120
MOST_SECONDS_TO_WAIT = 300


class WebError(RuntimeError):
    """A server did not answer, or not with what was asked for; the message names the address and the remedy."""


class AbsentError(WebError):
    """The server answered that there is nothing at this address."""


class Retry(urllib3.Retry):
    """urllib3's retries, which wait as long as the server asks, also where it asks for parts of a second.

    Ensembl answers `Retry-After: 40.0` (https://github.com/Ensembl/ensembl-rest/wiki/Rate-Limits); urllib3 takes whole
    seconds or a date, and stops at anything else.
    """

    def parse_retry_after(self, retry_after: str) -> float:
        if re.fullmatch(r"\s*\d+\.\d*\s*", retry_after):
            return min(float(retry_after), MOST_SECONDS_TO_WAIT)
        try:
            return min(super().parse_retry_after(retry_after), MOST_SECONDS_TO_WAIT)
        except urllib3.exceptions.InvalidHeader:
            return self.get_backoff_time()


class Web:
    """Requests over kept connections; safe to share between threads."""

    def __init__(self, attempts: int = 6, backoff: float = 1.0) -> None:
        self.attempts = attempts
        retry = Retry(
            total=attempts - 1,
            backoff_factor=backoff,
            backoff_max=60,
            status_forcelist=BUSY,
            allowed_methods=("GET", "HEAD"),
        )
        self.session = requests.Session()
        # Files are weighed and summed as they lie on the server, so none may be compressed for the journey.
        self.session.headers.update({"Accept-Encoding": "identity", "User-Agent": "fishladder"})
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, pool_block=True, max_retries=retry))

    def text(self, url: str) -> str:
        """Fetch a small text; UTF-8, whatever the server says of it."""
        return self.ask("GET", url).content.decode("utf-8", errors="replace")

    def json(self, url: str) -> object:
        """Fetch a JSON answer."""
        try:
            return self.ask("GET", url).json()
        except requests.JSONDecodeError as error:
            raise WebError(f"{url}: the answer is not JSON ({error}); is this a REST service?") from error

    def size(self, url: str) -> int | None:
        """Ask for a file's size in bytes; None where the server does not tell."""
        length = self.ask("HEAD", url).headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None

    def chunks(self, url: str) -> Iterable[bytes]:
        """Stream a file's bytes as they lie on the server."""
        response = self.ask("GET", url, stream=True)
        try:
            yield from response.raw.stream(1 << 20, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise WebError(f"{url}: the transfer broke off ({error}); try again") from error
        finally:
            response.close()

    def ask(self, method: str, url: str, **options) -> requests.Response:
        for attempt in range(1, self.attempts + 1):
            try:
                response = self.session.request(
                    method, url, timeout=(SECONDS_TO_CONNECT, SECONDS_TO_READ), allow_redirects=True, **options
                )
            except requests.exceptions.ChunkedEncodingError as error:
                # urllib3 retries until the headers are here; an answer that breaks off in its body is asked for again.
                if attempt == self.attempts:
                    raise WebError(f"{url}: the answer broke off {attempt} times ({error}); try again") from error
            except requests.RequestException as error:
                raise WebError(f"{url}: no answer ({reason(error)}); check the address, or try again later") from error
            else:
                break
        if response.status_code in ABSENT:
            response.close()
            raise AbsentError(f"{url}: there is no such file ({response.status_code})")
        if not response.ok:
            response.close()
            raise WebError(f"{url}: the server answered {response.status_code} {response.reason}; check the address")
        return response


def reason(error: BaseException) -> str:
    """Dig out what really happened from under the layers of a failed request."""
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", None) or inner)


def checksum(chunks: Iterable[bytes]) -> tuple[str, int]:
    """Sum up a file that may be larger than memory: `sha256:<hex>` and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size
