"""Whether web servers can be reached at all, and whether they have what is named."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

SECONDS = 10
AT_ONCE = 32
ABSENT = (404, 410)


def unreachable(urls: Iterable[str]) -> dict[str, str]:
    """Ask for each URL at once, and return why by URL where no server answered; any answer will do."""
    asked = list(urls)
    with ThreadPoolExecutor(max(len(asked), 1)) as pool:
        reasons = dict(zip(asked, pool.map(why_unreachable, asked), strict=True))
    return {url: reason for url, reason in reasons.items() if reason}


def absent(urls: Iterable[str]) -> set[str]:
    """The URLs of which their servers say that there is nothing; whatever else they say is left to the download."""
    asked = list(urls)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {url for url, gone in zip(asked, pool.map(is_absent, asked), strict=True) if gone}


def is_absent(url: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        return error.code in ABSENT
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return False


def why_unreachable(url: str) -> str | None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return None
