"""Signatures: no byte, name or link of a signed bundle can change unnoticed."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mobile_runtime import Bundle, BundleError, MissingExtraError, signing
from mobile_runtime.bundle import MANIFEST, SIGNATURE
from mobile_runtime.files import sha256
from tests.mobile_runtime.small import FILES, edit_manifest, rehash, write_small_bundle

pytest.importorskip("cryptography")
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def write_keys(folder: Path, key: Any, password: bytes | None = None) -> tuple[Path, Path]:
    """Private and public key in PEM form."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private, public = folder / "key.pem", folder / "key.pub.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, encryption))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def sign_by_hand(folder: Path, key: ec.EllipticCurvePrivateKey, payload: bytes | None = None) -> None:
    """What `export.signing.sign` does, which needs extra `export` to be imported."""
    manifest = Bundle.load(folder).manifest
    digests = {entry.path: entry.sha256 for entry in manifest.files}
    digests[MANIFEST] = sha256(folder / MANIFEST)
    payload = signing.statement("test", digests) if payload is None else payload
    signature = key.sign(signing.to_sign(payload), signing.algorithm(key.public_key(), folder))
    (folder / SIGNATURE).write_bytes(signing.serialize(payload, signature, signing.key_hint(key.public_key())))


@pytest.fixture
def signed(sample_bundle: Path, tmp_path: Path) -> tuple[Path, Path, ec.EllipticCurvePrivateKey]:
    """A small signed bundle, its public key's file, and the key."""
    folder = write_small_bundle(tmp_path / "small", sample_bundle)
    key = ec.generate_private_key(ec.SECP256R1())
    _, public = write_keys(tmp_path, key)
    sign_by_hand(folder, key)
    return folder, public, key


Signed = tuple[Path, Path, ec.EllipticCurvePrivateKey]


def test_signed_bundle_loads(signed: Signed) -> None:
    folder, public, _ = signed
    assert Bundle.load(folder, key=public).id == Bundle.load(folder).id


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_every_curve(sample_bundle: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    folder = write_small_bundle(tmp_path / "small", sample_bundle)
    key = ec.generate_private_key(curve)
    _, public = write_keys(tmp_path, key)
    sign_by_hand(folder, key)
    Bundle.load(folder, key=public)


@pytest.mark.slow
def test_any_changed_byte_is_noticed(signed: Signed) -> None:
    """Every byte of the signature, a third of the others."""
    folder, public, _ = signed
    rng = random.Random(0)
    tried = 0
    for name in (SIGNATURE, MANIFEST, *FILES):
        intact = (folder / name).read_bytes()
        for at in range(0, len(intact), 1 if name == SIGNATURE else 3):
            changed = bytearray(intact)
            changed[at] ^= rng.randrange(1, 256)
            (folder / name).write_bytes(changed)
            with pytest.raises(BundleError):
                Bundle.load(folder, key=public)
            tried += 1
        (folder / name).write_bytes(intact)
    assert tried > 3000
    Bundle.load(folder, key=public)


def test_any_missing_added_or_moved_file_is_noticed(signed: Signed, tmp_path: Path) -> None:
    folder, public, _ = signed
    for name in (SIGNATURE, MANIFEST, *FILES):
        file = folder / name
        intact = file.read_bytes()
        file.rename(tmp_path / "aside")
        with pytest.raises(BundleError):
            Bundle.load(folder, key=public)
        file.symlink_to(tmp_path / "aside")
        with pytest.raises(BundleError):
            Bundle.load(folder, key=public)
        file.unlink()
        (tmp_path / "aside").rename(file.with_name("renamed"))
        with pytest.raises(BundleError):
            Bundle.load(folder, key=public)
        file.with_name("renamed").rename(file)
        for twin in ("twin", ".git", f"{file.name} "):
            file.with_name(twin).write_bytes(intact)
            with pytest.raises(BundleError):
                Bundle.load(folder, key=public)
            file.with_name(twin).unlink()
        for wrong in (b"", intact + b"\n", intact[:-1]):
            file.write_bytes(wrong)
            with pytest.raises(BundleError):
                Bundle.load(folder, key=public)
        file.write_bytes(intact)
        Bundle.load(folder, key=public)


def test_manifest_that_was_mended_is_noticed(signed: Signed) -> None:
    folder, public, _ = signed
    (folder / "model_card.md").write_bytes(b"# another\n")
    rehash(folder, "model_card.md")
    Bundle.load(folder)
    with pytest.raises(BundleError, match=r"manifest.json: not the manifest that was signed"):
        Bundle.load(folder, key=public)


def test_signature_of_something_else(signed: Signed) -> None:
    folder, public, key = signed
    digests = {entry.path: entry.sha256 for entry in Bundle.load(folder).manifest.files}
    digests[MANIFEST] = sha256(folder / MANIFEST)
    less = {path: digest for path, digest in digests.items() if path != "model_card.md"}
    for wrong in (less, digests | {"more": "0" * 64}, digests | {"model_card.md": "0" * 64}):
        sign_by_hand(folder, key, signing.statement("test", wrong))
        with pytest.raises(BundleError, match="not as it was signed"):
            Bundle.load(folder, key=public)
    statement = json.loads(signing.statement("test", digests))
    for wrong_payload in (
        json.dumps(statement | {"predicateType": "https://example.org/other"}).encode(),
        json.dumps(statement | {"predicate": {}}).encode(),
        b"[]",
        b"\xff",
    ):
        sign_by_hand(folder, key, wrong_payload)
        with pytest.raises(BundleError, match=r"signs something else|a malformed statement"):
            Bundle.load(folder, key=public)


def test_wrong_keys(signed: Signed, tmp_path: Path) -> None:
    folder, public, key = signed
    (tmp_path / "other").mkdir()
    _, other = write_keys(tmp_path / "other", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(BundleError, match="made with another key"):
        Bundle.load(folder, key=other)
    # Someone who puts the right key's hash beside a signature of their own.
    data = (folder / SIGNATURE).read_bytes()
    sign_by_hand(folder, ec.generate_private_key(ec.SECP256R1()))
    hint = json.loads((folder / SIGNATURE).read_bytes())["verificationMaterial"]["publicKey"]["hint"]
    forged = (folder / SIGNATURE).read_bytes().replace(hint.encode(), signing.key_hint(key.public_key()).encode())
    (folder / SIGNATURE).write_bytes(forged)
    with pytest.raises(BundleError, match="the signature does not fit"):
        Bundle.load(folder, key=public)
    (folder / SIGNATURE).write_bytes(data)
    _, edwards = write_keys(tmp_path / "other", ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(BundleError, match="elliptic-curve key on secp256r1"):
        Bundle.load(folder, key=edwards)
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(folder, key=tmp_path / "none.pem")
    with pytest.raises(BundleError, match="not a public key in PEM form"):
        Bundle.load(folder, key=folder / MANIFEST)


def test_unsigned_bundle_with_a_key(signed: Signed) -> None:
    folder, public, _ = signed
    (folder / SIGNATURE).unlink()
    Bundle.load(folder)
    with pytest.raises(BundleError, match="the bundle is not signed"):
        Bundle.load(folder, key=public)


def test_a_key_checks_files_even_without_verify(signed: Signed) -> None:
    folder, public, _ = signed
    (folder / "model_card.md").write_bytes(b"# a card\n")
    Bundle.load(folder, verify=False)
    with pytest.raises(BundleError, match="SHA-256 differs"):
        Bundle.load(folder, verify=False, key=public)


def test_missing_extra_is_named(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, public, _ = signed

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(signing, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[sign\]'"):
        Bundle.load(folder, key=public)


def test_the_openssf_tool_agrees(signed: Signed, tmp_path: Path) -> None:
    """Either verifies what the other signed; runs where the tool is installed, which conflicts with extra `export`."""
    pytest.importorskip("model_signing")
    folder, public, key = signed
    private, _ = write_keys(tmp_path, key)
    tool = [sys.executable, "-m", "model_signing"]
    files = ["--signature", str(folder / SIGNATURE)]
    verify = [*tool, "verify", "key", str(folder), "--public_key", str(public), *files]
    assert subprocess.run(verify, check=False, capture_output=True).returncode == 0
    subprocess.run([*tool, "sign", "key", str(folder), "--private_key", str(private), *files], check=True, capture_output=True)
    Bundle.load(folder, key=public)
    edit_manifest(folder, lambda document: document.update(licence="other"))
    assert subprocess.run(verify, check=False, capture_output=True).returncode != 0


def test_statement_is_stable() -> None:
    """The bytes that are signed, so that they cannot change between releases by accident."""
    made = json.loads(signing.statement("n", {"b": "01" * 32, "a/c": "02" * 32}))
    assert [entry["name"] for entry in made["predicate"]["resources"]] == ["a/c", "b"]
    assert made["subject"][0]["digest"]["sha256"] == hashlib.sha256(b"\2" * 32 + b"\1" * 32).hexdigest()
    assert signing.to_sign(b"xy") == b"DSSEv1 28 application/vnd.in-toto+json 2 xy"


def test_copy_of_a_signed_bundle_is_as_good(signed: Signed, tmp_path: Path) -> None:
    folder, public, _ = signed
    Bundle.load(shutil.copytree(folder, tmp_path / "elsewhere"), key=public)
