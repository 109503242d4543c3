"""A file server on this machine that answers in any bad way that it is told to.

The first part of an address is how to answer, the rest is the file: ``/cut/x``. ``Answers.failures`` makes the first
answers to an address fail in that way before the file is given.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = random.Random(0).randbytes(2_304_000)  # more than one chunk
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2


class Answers(BaseHTTPRequestHandler):
    """GET, with ranges."""

    protocol_version = "HTTP/1.1"
    body = BODY

    def do_GET(self):
        server = self.server
        with server.guard:
            server.asked.append((self.path, dict(self.headers)))
            kind, _, name = self.path.removeprefix(f"{server.address}").lstrip("/").partition("/")
            if server.failures:
                kind = server.failures.pop(0)
        self.body = server.files.get(name, BODY)
        self.close_connection = True
        getattr(self, f"give_{kind}", self.give_status)(kind)

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        headers = {"Content_Length": str(len(body))} | headers
        for key, value in headers.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def give_status(self, kind):
        status, _, after = kind.partition("-")
        self.send(int(status), b"no", Retry_After=after or None)

    def give_whole(self, kind, tag='"v1"', cut=None):
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, tag)
        if asked and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.body):
                return self.send(416, Content_Range=f"bytes */{len(self.body)}")
            rest = self.body[start:]
            span = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
            return self.send(206, rest, Content_Range=span, ETag=tag)
        self.send(200, self.body if cut is None else self.body[:cut], Content_Length=str(len(self.body)), ETag=tag)

    def give_cut(self, kind):
        self.send(200, self.body[: len(self.body) // 2], Content_Length=str(len(self.body)))

    def give_drop(self, kind):  # half of the file, if it is asked for from its beginning; the rest on request
        self.give_whole(kind, cut=len(self.body) // 2)

    def give_weak(self, kind):
        self.give_whole(kind, tag='W/"v1"', cut=len(self.body) // 2)

    def give_reset(self, kind):
        linger = b"\1\0\0\0\0\0\0\0"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def give_stall(self, kind):
        self.send(200, self.body[: len(self.body) // 2], Content_Length=str(len(self.body)), ETag='"v1"')
        self.server.over.wait(10)

    def give_silence(self, kind):
        self.server.over.wait(10)

    def give_trickle(self, kind):
        self.send(200, self.body[:HALF], Content_Length=str(len(self.body)), ETag='"v1"')
        self.wfile.write(self.body[HALF : HALF + HALF // 2])
        self.connection.settimeout(60)
        with contextlib.suppress(OSError):  # the rest is held back until the client is gone
            self.rfile.read(1)

    def give_slow(self, kind):
        time.sleep(0.3)
        self.give_whole(kind)

    def give_altered(self, kind):
        self.send(200, self.body[:-1] + b"?")

    def give_unsized(self, kind):
        self.send(200, self.body, Content_Length=None)

    def give_chunked(self, kind):
        pieces = [self.body[i : i + 65536] for i in range(0, len(self.body), 65536)]
        packed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        self.send(200, packed + b"0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked")

    def give_brokenchunks(self, kind):
        self.send(200, b"10000\r\n" + self.body[:1000], Content_Length=None, Transfer_Encoding="chunked")

    def give_uncountable(self, kind):
        self.send(200, self.body, Content_Length="many")

    def give_absurd(self, kind):
        self.send(200, self.body, Content_Length=str(10**17))

    def give_short(self, kind):
        self.send(200, self.body, Content_Length=str(len(self.body) - 5))

    def give_nonsense(self, kind):
        self.wfile.write(b"this is not HTTP\r\n\r\n")

    def give_rangeless(self, kind):
        self.send(200, self.body)

    def give_wrongrange(self, kind):
        if self.headers.get("Range"):
            return self.send(206, self.body, Content_Range=f"bytes 0-{len(self.body) - 1}/{len(self.body)}")
        self.send(200, self.body)

    def give_unasked(self, kind):
        self.send(206, self.body[5:], Content_Range=f"bytes 5-{len(self.body) - 1}/{len(self.body)}")

    def give_never(self, kind):
        self.send(416 if self.headers.get("Range") else 200, b"" if self.headers.get("Range") else self.body)

    def give_packed(self, kind):
        self.send(200, gzip.compress(self.body, 1), Content_Encoding="gzip")

    def give_bomb(self, kind):
        self.send(200, gzip.compress(bytes(1 << 22)), Content_Encoding="gzip")

    def give_labelled(self, kind):
        self.send(200, self.body, Content_Encoding="gzip")

    def give_moved(self, kind):
        self.send(302, Location="/whole/x")

    def give_loop(self, kind):
        self.send(302, Location=self.path)

    def give_elsewhere(self, kind):
        self.send(302, Location="file:///etc/hostname")

    def give_ftp(self, kind):
        self.send(302, Location="ftp://127.0.0.1/x")

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    """What the answers share."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.files: dict[str, bytes] = {}
        self.failures: list[str] = []
        self.guard, self.over = threading.Lock(), threading.Event()

    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle is what some tests are about


@contextlib.contextmanager
def serving():
    """A running server."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()
