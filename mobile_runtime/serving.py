"""The point-of-care page on this machine: its built files and a bundle's model, over HTTP on the loopback interface only."""

from __future__ import annotations

import errno
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mobile_runtime.bundle import MANIFEST, Bundle
from mobile_runtime.errors import BundleError, ServingError

APP = Path(__file__).parent / "web" / "app"
HOST = "127.0.0.1"

# What Python's mimetypes says depends on the machine's registry; browsers refuse modules and WebAssembly of a wrong type.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".tflite": "application/octet-stream",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The service worker keeps the page; beneath it, an old file next to a new one would break it.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class Page:
    """One file as it is served: its bytes and its media type."""

    body: bytes
    kind: str


def collect(bundle: Bundle, app: Path = APP) -> dict[str, Page]:
    """URL path -> file, the closed list of what is served.

    The page's built files, and of the bundle the manifest, the default variant's model, the card and the licence. They are
    read now and checked against the manifest, so that nothing that changes on the disk later is served.

    Raises:
        ServingError: the page was not built.
        BundleError: the default variant is not a LiteRT model, or a file differs from the manifest.
    """
    if not (app / "index.html").is_file():
        raise ServingError(f"{app}: the page is not there; build it with `npm run build` in mobile_runtime/web")
    variant = bundle.variant()
    if variant.runtime != "litert":
        raise BundleError(f"{bundle.path}: default variant {variant.name} is for {variant.runtime}; the page runs LiteRT")
    pages = {f"/{file.name}": _page(file.name, file.read_bytes()) for file in sorted(app.iterdir()) if file.is_file()}
    pages["/"] = pages["/index.html"]
    pages[f"/bundle/{variant.path}"] = _page(variant.path, bundle.model_bytes(variant))
    texts = [entry.path for entry in bundle.manifest.files if entry.role in ("card", "licence")]
    for name in (MANIFEST, *texts):
        pages[f"/bundle/{name}"] = _page(name, (bundle.path / name).read_bytes())
    return pages


def _page(name: str, body: bytes) -> Page:
    return Page(body, TYPES.get(Path(name).suffix, "application/octet-stream"))


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version = "skintriage"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        # Looked up, never joined to a folder: a path that is not in the list is nothing, whatever it says.
        try:
            page = self.server.pages.get(urlsplit(self.path).path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent: who looked at what is nobody's business."""


class PageServer(ThreadingHTTPServer):
    """Serves `pages` on the loopback interface, from construction on; `serve_forever` answers, `server_close` ends it.

    Args:
        pages: what `collect` gave.
        port: 0 takes a free one.

    Raises:
        ServingError: the port is taken, not allowed, or no port number.
    """

    daemon_threads = True
    # A second server on the same port would be allowed to take half of the requests on some systems.
    allow_reuse_port = False

    def __init__(self, pages: dict[str, Page], port: int) -> None:
        self.pages = pages
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise ServingError(f"port {port} {reason}; choose another one with --port, or --port 0 for any free one") from error
        except OverflowError as error:
            raise ServingError(f"{port} is no port; choose 0 to 65535 with --port") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a browser hung up in the middle of an answer: a page was closed or loaded again."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is; `localhost`, because browsers allow cameras there without a certificate."""
        return f"http://localhost:{self.server_address[1]}/"
