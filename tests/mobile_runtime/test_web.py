"""The page in Chromium, through its own tests; `python -m pytest -m browser` runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mobile_runtime import serving

WEB = Path(__file__).parents[2] / "mobile_runtime" / "web"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _tools(request: pytest.FixtureRequest) -> None:
    if "browser" not in str(request.config.getoption("markexpr")):
        pytest.skip("in a browser: python -m pytest -m browser")
    if shutil.which("npm") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("needs Node 20 and `npm ci` in mobile_runtime/web")


def npm(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHON": sys.executable}
    return subprocess.run(
        ["npm", "run", "--silent", *words], cwd=WEB, env=environment, capture_output=True, text=True, timeout=1800
    )


def test_the_built_page_is_that_of_its_sources(tmp_path: Path) -> None:
    found = npm("build", "--", str(tmp_path / "app"))
    assert found.returncode == 0, found.stderr
    built = {file.name: file.read_bytes() for file in (tmp_path / "app").iterdir()}
    assert built == {file.name: file.read_bytes() for file in serving.APP.iterdir()}


def test_types() -> None:
    found = npm("check")
    assert found.returncode == 0, found.stdout


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}, or $CHROMIUM")
@pytest.mark.parametrize("script", ["conformance", "test"])
def test_in_chromium(script: str) -> None:
    found = npm(script)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
