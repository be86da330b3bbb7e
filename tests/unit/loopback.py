"""A web server on 127.0.0.1 for tests: it answers from a dictionary, and can be made to fail."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """`pages` by path; `failures` are answers to give first, by path: (status, headers); `asked` counts requests."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.failures: dict[str, list[tuple[int, dict[str, str]]]] = {}
        self.broken: Counter[str] = Counter()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.address = ""


def handler_of(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # header and body in one packet: two wait 40 ms for each other on loopback

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            site.asked[self.command, path] += 1
            if site.failures.get(path):
                status, headers = site.failures[path].pop(0)
                return self.answer(status, b"", headers)
            if path not in site.pages:
                return self.answer(404, b"not here", {})
            return self.answer(200, site.pages[path], {}, broken=site.broken[path] > 0)

        do_HEAD = do_GET

        def answer(self, status: int, body: bytes, headers: dict[str, str], broken: bool = False) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[: len(body) // 2] if broken else body)
            if broken:
                site.broken[self.path.partition("?")[0]] -= 1
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serve() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(site))
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
