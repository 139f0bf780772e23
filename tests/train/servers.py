"""A local HTTP server that serves files well or badly, as it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar


@dataclass
class Mood:
    """What a server holds, and how it behaves.

    Attributes:
        files: path -> content.
        ranges: whether it knows them.
        cuts: how many bytes of each coming answer are sent before the connection is cut; None sends it whole.
        refusals: status codes of the coming answers.
        tag: its ETag; None sends none.
        headers: further ones.
        asked: (path, Range or None) of each request so far.
    """

    files: dict[str, bytes] = field(repr=False)
    ranges: bool = True
    cuts: list[int | None] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    tag: str | None = '"one"'
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    mood: ClassVar[Mood]

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass

    def log_error(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        mood, wanted = self.mood, self.headers.get("Range")
        mood.asked.append((self.path, wanted))
        if mood.refusals:
            self.send_error(mood.refusals.pop(0))
            return
        content = mood.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        begin = 0
        if mood.ranges and wanted and self.headers.get("If-Range", mood.tag) == mood.tag:
            begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if begin >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[begin:]
        self.send_header("Content-Length", str(len(body)))
        if mood.tag:
            self.send_header("ETag", mood.tag)
        for name, value in mood.headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = mood.cuts.pop(0) if mood.cuts else None
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is none of the server's business


@contextmanager
def serving(mood: Mood) -> Iterator[Mood]:
    """Serve on a free port of this machine until the block ends; `mood.url` is the address."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"mood": mood}))
    mood.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield mood
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
