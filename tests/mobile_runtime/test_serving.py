"""What the page's server answers, and what it does not. No browser is needed."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobile_runtime import Bundle, BundleError, ServingError, serving
from mobile_runtime.decision import MEANING
from mobile_runtime.quality import ADVICE
from tests.mobile_runtime.small import edit_manifest

REPOSITORY = Path(__file__).parents[2]
WEB = REPOSITORY / "mobile_runtime" / "web"


@pytest.fixture(scope="module")
def server(sample_bundle: Path) -> Iterator[serving.PageServer]:
    with serving.PageServer(serving.collect(Bundle.load(sample_bundle)), 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(server: serving.PageServer, path: str, method: str = "GET", body: bytes | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(serving.HOST, server.server_address[1], timeout=30)
    connection.request(method, path, body)
    return connection.getresponse()


def test_the_page_and_the_bundle_are_there(server: serving.PageServer, sample_bundle: Path) -> None:
    page = ask(server, "/")
    assert page.status == 200
    assert page.getheader("Content-Type") == "text/html; charset=utf-8"
    assert page.read() == (serving.APP / "index.html").read_bytes()
    manifest = ask(server, "/bundle/manifest.json")
    document = json.loads(manifest.read())
    assert manifest.getheader("Content-Type") == "application/json"
    model = document["variants"][document["default_variant"]]["path"]
    assert ask(server, f"/bundle/{model}").read() == (sample_bundle / model).read_bytes()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/app.webmanifest", "application/manifest+json"),
        ("/litert_wasm_compat_internal.wasm", "application/wasm"),
        ("/icon-192.png", "image/png"),
    ],
)
def test_media_types_are_what_browsers_insist_on(server: serving.PageServer, path: str, kind: str) -> None:
    answer = ask(server, path, "HEAD")
    assert (answer.status, answer.getheader("Content-Type")) == (200, kind)
    assert int(answer.getheader("Content-Length") or 0) > 0
    assert answer.read() == b""


@pytest.mark.parametrize("path", ["/", "/absent", "/bundle/manifest.json"])
def test_every_answer_carries_the_policies(server: serving.PageServer, path: str) -> None:
    answer = ask(server, path)
    policy = answer.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy and "'unsafe-eval'" not in policy and "http" not in policy
    assert answer.getheader("Cross-Origin-Opener-Policy") == "same-origin"
    assert answer.getheader("Cross-Origin-Embedder-Policy") == "require-corp"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize(
    "path",
    [
        "/../serving.py",
        "/bundle/../../__init__.py",
        "/bundle/%2e%2e/%2e%2e/__init__.py",
        "/..%2fserving.py",
        "//etc/passwd",
        "/bundle//manifest.json",
        "/bundle/golden/golden.json",
        "/bundle",
        "/main.js/",
        "/src/main.ts",
        "/package.json",
        "/\\..\\serving.py",
        "http://localhost/../serving.py",
    ],
)
def test_nothing_else_is_served(server: serving.PageServer, path: str) -> None:
    assert ask(server, path).status == 404


def test_an_address_that_is_none_is_answered(server: serving.PageServer, capfd: pytest.CaptureFixture[str]) -> None:
    for method in ("GET", "HEAD"):
        with socket.create_connection((serving.HOST, server.server_address[1]), timeout=30) as connection:
            connection.sendall(f"{method} http://[x/ HTTP/1.1\r\n\r\n".encode())
            assert b" 400 " in connection.makefile("rb").readline()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent_to_it(server: serving.PageServer, method: str) -> None:
    assert ask(server, "/", method, b"picture").status == 501


def test_it_listens_on_this_machine_only(server: serving.PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_browser_that_hangs_up_is_no_news(server: serving.PageServer, capfd: pytest.CaptureFixture[str]) -> None:
    for error, said in ((ConnectionResetError(), False), (ValueError("a mistake of ours"), True)):
        try:
            raise error
        except Exception:
            server.handle_error(None, ("127.0.0.1", 1))
        assert ("Traceback" in capfd.readouterr().err) is said


def test_a_taken_port_is_named(server: serving.PageServer) -> None:
    port = server.server_address[1]
    with pytest.raises(ServingError, match=f"port {port} is taken; choose another one with --port"):
        serving.PageServer({}, port)
    with pytest.raises(ServingError, match="70000 is no port"):
        serving.PageServer({}, 70000)


def test_a_page_that_was_not_built(sample_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="npm run build"):
        serving.collect(Bundle.load(sample_bundle), tmp_path)


def test_a_default_variant_of_another_runtime(own_bundle: Path) -> None:
    edit_manifest(own_bundle, lambda document: document["variants"][document["default_variant"]].update(runtime="onnx"))
    with pytest.raises(BundleError, match="is for onnx"):
        serving.collect(Bundle.load(own_bundle))


def test_a_model_that_changed_after_loading(own_bundle: Path) -> None:
    bundle = Bundle.load(own_bundle)
    model = own_bundle / bundle.variant().path
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        serving.collect(bundle)


def test_the_command_says_where_and_when_the_port_is_taken(server: serving.PageServer, sample_bundle: Path) -> None:
    words = [sys.executable, "-m", "mobile_runtime", "serve", "--bundle", str(sample_bundle), "--json", "--port"]
    taken = subprocess.run([*words, str(server.server_address[1])], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert taken.returncode == 2
    assert "is taken" in taken.stderr and "Traceback" not in taken.stderr
    with subprocess.Popen([*words, "0"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        lines = ""
        while not lines.endswith("}\n"):
            lines += running.stdout.readline()
        document = json.loads(lines)
        running.terminate()
    assert re.fullmatch(r"http://localhost:\d+/", document["url"])
    assert document["bundle"] == Bundle.load(sample_bundle).id


def test_the_built_page_keeps_to_its_policy() -> None:
    """The same policy on hosts that send no header; scripts and styles in files of their own; no address elsewhere."""
    page = (serving.APP / "index.html").read_text(encoding="utf-8")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert found is not None
    assert f"{found[1]}; frame-ancestors 'none'" == serving.CONTENT_SECURITY_POLICY
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)
    for name in ("index.html", "style.css", "main.js", "sw.js", "app.webmanifest"):
        assert not re.search(r"https?://", (serving.APP / name).read_text(encoding="utf-8")), name


def test_the_page_says_what_the_runtime_says() -> None:
    texts = json.loads((WEB / "src" / "texts" / "en.json").read_text(encoding="utf-8"))
    assert texts["meaning"] == {decision.value: sentence for decision, sentence in MEANING.items()}
    assert texts["advice"] == ADVICE


def test_the_built_page_says_of_each_decision_what_its_texts_say() -> None:
    meaning = json.loads((WEB / "src" / "texts" / "en.json").read_text(encoding="utf-8"))["meaning"]
    assert meaning.keys() == {decision.value for decision in MEANING}
    # The sentences with their keys, as a script writes them: alone, they would be there exchanged, too.
    said = {f"{decision}:{json.dumps(sentence)}" for decision, sentence in meaning.items()}
    objects = re.findall(r"\bmeaning:\{([^}]*)\}", (serving.APP / "main.js").read_text(encoding="utf-8"))
    assert objects, "the texts are in the page"
    for each in objects:
        assert all(one in each for one in said), each


def test_no_registry_is_named() -> None:
    for lock in (WEB / "package-lock.json", REPOSITORY / "export" / "kit_sources" / "web" / "package-lock.json"):
        if lock.is_file():
            assert not re.search(r"https?://(?!(opencollective|github|tidelift|paypal)\b)", lock.read_text(encoding="utf-8"))
