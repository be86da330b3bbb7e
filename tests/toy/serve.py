"""Serve the toy Ensembl on 127.0.0.1, whole or in parts; it keeps a log, and fails where a test wants it to."""

import html
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was answered. `range`: its Range header, or ""."""

    method: str
    path: str
    query: str
    range: str
    status: int


class Address(str):
    """The address of a running server (`http://127.0.0.1:<port>`, without a slash at its end), its log and faults.

    Paths begin with a slash and are without a query.
    """

    def __init__(self, _: str) -> None:
        self.requests: list[Request] = []
        self.failures: dict[str, list[tuple[int, str | None]]] = {}
        self.cuts: dict[str, list[int | None]] = {}
        self.lock = threading.Lock()

    def fail(self, path: str, times: int = 1, status: int = 503, retry_after: float | None = None) -> None:
        """Answer the next requests of a path with an error; `retry_after` in seconds."""
        after = None if retry_after is None else str(retry_after)
        with self.lock:
            self.failures.setdefault(path, []).extend([(status, after)] * times)

    def cut(self, path: str, after: int | None = None, times: int = 1) -> None:
        """Break off the next bodies of a path after some bytes; half of them where `after` is None."""
        with self.lock:
            self.cuts.setdefault(path, []).extend([after] * times)

    def asked(self, path: str, method: str | None = None) -> list[Request]:
        """The log of a path."""
        with self.lock:
            return [one for one in self.requests if one.path == path and method in (None, one.method)]

    def note(self, request: Request) -> None:
        with self.lock:
            self.requests.append(request)

    def take(self, faults: dict[str, list], path: str) -> tuple:
        """Take the next fault of a path: a tuple of it, or an empty one."""
        with self.lock:
            return (faults[path].pop(0),) if faults.get(path) else ()


def addresses(url: str) -> dict[str, str]:
    """The section `ensembl` of a configuration that takes this server for Ensembl."""
    return {"rest": str(url), "ftp": f"{url}/pub", "genomes_ftp": f"{url}/pub"}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    address: Address

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.where, self.query = unquote(parts.path), parts.query
        if failure := self.address.take(self.address.failures, self.where):
            status, after = failure[0]
            return self.answer(status, b"try again later\n", headers={} if after is None else {"Retry-After": after})
        if self.where.startswith("/info/"):
            return self.answer_rest()
        path = (self.root / self.where.lstrip("/")).resolve()
        if not path.is_relative_to(self.root) or not path.exists():
            return self.answer(404, b"not here\n")
        if path.is_dir():
            if not self.where.endswith("/"):
                return self.answer(301, b"", headers={"Location": f"{quote(self.where)}/"})
            return self.answer(200, listing(path, self.where), "text/html; charset=utf-8")
        return self.answer_file(path)

    do_HEAD = do_GET

    def answer_rest(self) -> None:
        """Answer from the file of that name, or say as the REST service does that there is none."""
        name = self.where.removeprefix("/info/")
        if name == "species" and (division := parse_qs(self.query).get("division")):
            name = f"species.{division[0]}"
        path = (self.root / "info" / f"{name}.json").resolve()
        if path.is_relative_to(self.root) and path.is_file():
            return self.answer(200, path.read_bytes(), "application/json")
        return self.answer(400, json.dumps({"error": f"nothing is known of {name}"}).encode(), "application/json")

    def answer_file(self, path: Path) -> None:
        """Send a file, or the part of it that is asked for (https://www.rfc-editor.org/rfc/rfc9110#name-range-requests)."""
        content, asked = path.read_bytes(), self.headers.get("Range", "")
        kind = "text/plain; charset=utf-8" if path.suffix in ("", ".txt") else "application/octet-stream"
        try:
            part = chosen_part(asked, len(content))
        except ValueError:
            return self.answer(416, b"", kind, {"Content-Range": f"bytes */{len(content)}"})
        if part is None:
            return self.answer(200, content, kind, {"Accept-Ranges": "bytes"})
        start, stop = part
        place = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        return self.answer(206, content[start:stop], kind, place)

    def answer(self, status: int, body: bytes, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
        self.address.note(Request(self.command, self.where, self.query, self.headers.get("Range", ""), status))
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if status < 300 and (cut := self.address.take(self.address.cuts, self.where)):
            body = body[: len(body) // 2 if cut[0] is None else cut[0]]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing; the log is in the address."""


def chosen_part(asked: str, size: int) -> tuple[int, int] | None:
    """Read a Range header into (start, stop), `stop` not included; None: all. ValueError: nothing is there."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if not match or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
    if start >= stop:
        raise ValueError(f"{asked} is beyond the {size} bytes")
    return start, stop


def listing(folder: Path, where: str) -> bytes:
    """List a folder as a page of links, folders with a slash."""
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    links = "".join(f'<li><a href="{quote(name)}">{html.escape(name)}</a></li>\n' for name in names)
    title = html.escape(f"Index of {where}")
    return f"<!DOCTYPE html>\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n{links}</ul>\n".encode()


def make_server(folder: Path, port: int = 0) -> tuple[Server, Address]:
    """Make a server of a folder; port 0 is any free one."""
    handler = type("ToyHandler", (Handler,), {"root": folder.resolve()})
    server = Server(("127.0.0.1", port), handler)
    handler.address = Address(f"http://127.0.0.1:{server.server_address[1]}")
    return server, handler.address


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[Address]:
    """Serve a folder as long as the block runs."""
    server, address = make_server(Path(folder), port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
