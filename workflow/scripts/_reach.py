"""Whether web servers can be reached at all; what they have is asked later."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

SECONDS = 10


def unreachable(urls: Iterable[str]) -> dict[str, str]:
    """Ask for each URL at once, and return why by URL where no server answered; any answer will do."""
    asked = list(urls)
    with ThreadPoolExecutor(max(len(asked), 1)) as pool:
        reasons = dict(zip(asked, pool.map(why_unreachable, asked), strict=True))
    return {url: reason for url, reason in reasons.items() if reason}


def why_unreachable(url: str) -> str | None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return None
