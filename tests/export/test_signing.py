"""Signing from the command line, and checking with the runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from export import commands as export_commands
from export.errors import ExportError
from export.signing import sign
from mobile_runtime import Bundle, BundleError
from mobile_runtime import commands as runtime_commands
from mobile_runtime.bundle import SIGNATURE
from tests.mobile_runtime.test_signing import write_keys

pytest.importorskip("cryptography")
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

pytestmark = pytest.mark.slow


def test_sign_and_verify_by_command(own: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    found = CliRunner().invoke(export_commands.app, ["sign", str(own), "--private-key", str(private)])
    assert found.exit_code == 0, found.output
    found = CliRunner().invoke(runtime_commands.app, ["verify", str(own), "--key", str(public)])
    assert found.exit_code == 0, found.output
    assert "signature: verified" in found.output
    found = CliRunner().invoke(runtime_commands.app, ["verify", str(own)])
    assert "signature: not checked" in found.output
    (own / "model_card.md").write_text("changed", encoding="utf-8")
    found = CliRunner().invoke(runtime_commands.app, ["verify", str(own), "--key", str(public)])
    assert isinstance(found.exception, BundleError)


def test_encrypted_key(own: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, ec.generate_private_key(ec.SECP384R1()), password=b"secret")
    for wrong in (None, b"other"):
        with pytest.raises(ExportError, match="wrong password"):
            sign(own, private, wrong)
    assert sign(own, private, b"secret") == own / SIGNATURE
    Bundle.load(own, key=public)


def test_only_an_intact_bundle_is_signed(own: Path, tmp_path: Path) -> None:
    private, _ = write_keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    (own / "extra").write_bytes(b"")
    with pytest.raises(BundleError, match="not listed"):
        sign(own, private)
    assert not (own / SIGNATURE).exists()


def test_unusable_keys(own: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read"):
        sign(own, tmp_path / "none.pem")
    with pytest.raises(ExportError, match="not a private key"):
        sign(own, own / "manifest.json")
    private, _ = write_keys(tmp_path, ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(BundleError, match="elliptic-curve key"):
        sign(own, private)
    small, _ = write_keys(tmp_path, ec.generate_private_key(ec.SECP224R1()))
    with pytest.raises(BundleError, match="a key on secp224r1"):
        sign(own, small)
