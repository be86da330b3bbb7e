"""Ask web servers patiently: retries with back-off, time limits, and errors that name the address."""

import hashlib
import re
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

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


class UnreachableError(WebError):
    """A server that never answered: there is no network, or the address is wrong."""


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
    """Requests over kept connections; safe to share between threads.

    A server that answered before is waited for when it cannot be reached; one that never did is given up at once.
    """

    def __init__(self, attempts: int = 6, backoff: float = 1.0) -> None:
        self.attempts, self.backoff = attempts, backoff
        self.answered: set[str] = set()
        retry = Retry(
            total=attempts - 1,
            connect=0,
            other=0,
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
        server = urlsplit(url).netloc
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
                if is_unreached(error) and server not in self.answered:
                    raise UnreachableError(f"{server} cannot be reached ({reason(error)})") from error
                if attempt == self.attempts or not is_unreached(error):
                    raise WebError(
                        f"{url}: no answer ({reason(error)}); check the address, or try again later"
                    ) from error
                time.sleep(min(60, self.backoff * 2**attempt))
            else:
                self.answered.add(server)
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
    return re.sub(r"^HTTPS?Connection\(.*?\): ", "", str(getattr(inner, "reason", None) or inner))


def is_unreached(error: requests.RequestException) -> bool:
    """Say whether a request did not get as far as its server."""
    unreached = (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.ProxyError, urllib3.exceptions.SSLError)
    inner = error.args[0] if error.args else None
    return isinstance(getattr(inner, "reason", None), unreached)


def checksum(chunks: Iterable[bytes]) -> tuple[str, int]:
    """Sum up a file that may be larger than memory: `sha256:<hex>` and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size
