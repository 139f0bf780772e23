"""Signatures of bundles: the OpenSSF model-signing format with a local elliptic-curve key.

The signature file is a Sigstore bundle (v0.3) around a DSSE envelope around an in-toto statement that lists the SHA-256 of
every file (https://github.com/ossf/model-signing-spec, predicate https://model_signing/signature/v1.0). What is written here is
byte for byte what the `model-signing` command 1.1 writes for the same files and signature, and either verifies the other's.

It is read here rather than with that package for two reasons. JSON leaves room (white space, unused bits of base64, unknown
fields) that a parser forgives; here the file must be the one form that its content has, so that no byte of it can change
unnoticed. And the package needs Sigstore's clients for checking one ECDSA signature, in versions that conflict with the
converters of extra `export`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mobile_runtime.errors import BundleError, MissingExtraError

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
"""Curves that the format allows, each with the hash that it is used with."""
MAX_SIGNATURE_BYTES = 1024 * 1024


def cryptography(name: str) -> Any:
    """A module of `cryptography`, which is optional.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(f"cryptography.{name}")
    except ImportError as error:
        raise MissingExtraError("signatures need cryptography; in skintriage's folder, pip install '.[sign]'") from error


def statement(name: str, digests: Mapping[str, str]) -> bytes:
    """The in-toto statement that is signed.

    Args:
        name: what to call the folder.
        digests: path with forward slashes -> SHA-256 in hex, of every file but the signature.
    """
    paths = sorted(digests)
    root = hashlib.sha256(b"".join(bytes.fromhex(digests[path]) for path in paths)).hexdigest()
    resources = [{"algorithm": "sha256", "digest": digests[path], "name": path} for path in paths]
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": root}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": resources,
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=True).encode()


def to_sign(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding of a payload: the bytes that the key signs."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def serialize(payload: bytes, signature: bytes, hint: str) -> bytes:
    """The signature file; hint is `key_hint` of the public key."""
    document = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def key_hint(public_key: Any) -> str:
    """SHA-256 of the PEM form of a public key."""
    serialization = cryptography("hazmat.primitives.serialization")
    pem = public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def algorithm(public_key: Any, key: Path) -> Any:
    """The signature algorithm of a public key.

    Raises:
        BundleError: it is not on a curve of `CURVES`.
    """
    ec, hashes = cryptography("hazmat.primitives.asymmetric.ec"), cryptography("hazmat.primitives.hashes")
    curve = public_key.curve.name if isinstance(public_key, ec.EllipticCurvePublicKey) else type(public_key).__name__
    if curve not in CURVES:
        raise BundleError(f"{key}: a key on {curve}; signatures take an elliptic-curve key on {', '.join(CURVES)}")
    return ec.ECDSA(getattr(hashes, CURVES[curve])())


def load_public_key(key: Path) -> Any:
    """Read a public key in PEM form.

    Raises:
        BundleError: missing, or no public key.
        MissingExtraError: extra `sign` is not installed.
    """
    serialization = cryptography("hazmat.primitives.serialization")
    try:
        return serialization.load_pem_public_key(key.read_bytes())
    except OSError as error:
        raise BundleError(f"{key}: cannot be read ({error.strerror}); give the signer's public key") from error
    except Exception as error:  # ValueError, UnsupportedAlgorithm and the backend's own
        raise BundleError(f"{key}: not a public key in PEM form ({error}); give the signer's public key") from error


def signed_digests(file: Path, key: Path) -> dict[str, str]:
    """What a signature vouches for: path -> SHA-256 in hex.

    Args:
        file: the signature.
        key: the signer's public key, PEM.

    Raises:
        BundleError: the key is unusable, or the signature is missing, altered, or of another key.
        MissingExtraError: extra `sign` is not installed.
    """
    public_key = load_public_key(key)
    scheme, hint = algorithm(public_key, key), key_hint(public_key)
    if not file.is_file() or file.is_symlink():
        raise BundleError(f"{file}: the bundle is not signed; sign it with `python -m export sign`, or load it without a key")
    if file.stat().st_size > MAX_SIGNATURE_BYTES:
        raise BundleError(f"{file}: over {MAX_SIGNATURE_BYTES} bytes; this is no signature")
    data = file.read_bytes()
    try:
        envelope = json.loads(data)["dsseEnvelope"]
        payload, signature = (base64.b64decode(part) for part in (envelope["payload"], envelope["signatures"][0]["sig"]))
        found = json.loads(data)["verificationMaterial"]["publicKey"]["hint"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise BundleError(f"{file}: not a signature ({type(error).__name__}: {error}); get the bundle again") from error
    if found != hint:
        raise BundleError(f"{file}: made with another key than {key}; ask the publisher for the right one")
    if serialize(payload, signature, hint) != data:
        raise BundleError(f"{file}: altered, not in the form that signatures are written in; get the bundle again")
    invalid = cryptography("exceptions").InvalidSignature
    try:
        public_key.verify(signature, to_sign(payload), scheme)
    except invalid as error:
        raise BundleError(f"{file}: the signature does not fit; the bundle was altered, get it again") from error
    return _digests(file, payload)


def _digests(file: Path, payload: bytes) -> dict[str, str]:
    # The payload is authentic from here on; what it says may still be a statement about something else.
    try:
        document = json.loads(payload)
        kinds = document["_type"], document["predicateType"], document["predicate"]["serialization"]["method"]
        resources = document["predicate"]["resources"]
        digests = {entry["name"]: entry["digest"] for entry in resources if entry["algorithm"] == "sha256"}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{file}: a malformed statement ({type(error).__name__}); sign the bundle again") from error
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE, "files") or len(digests) != len(resources):
        raise BundleError(f"{file}: signs something else than the SHA-256 of files; sign the bundle again")
    return digests
