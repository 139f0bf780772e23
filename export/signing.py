"""Signing bundles with a local elliptic-curve key; see `mobile_runtime.signing` for the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.errors import ExportError
from mobile_runtime.bundle import MANIFEST, SIGNATURE, Bundle
from mobile_runtime.files import sha256, write_atomically
from mobile_runtime.signing import algorithm, cryptography, key_hint, serialize, statement, to_sign


def sign(folder: Path, private_key: Path, password: bytes | None = None) -> Path:
    """Sign a bundle as it is, in place of any earlier signature.

    Make a key pair with `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` and
    `openssl ec -in key.pem -pubout -out key.pub.pem`.

    Args:
        folder: the bundle; every file is checked against its manifest first.
        private_key: PEM, on P-256, P-384 or P-521.
        password: of an encrypted key.

    Returns:
        The path of the signature.

    Raises:
        BundleError: the bundle is not intact, or the key is on another curve.
        ExportError: the key cannot be read.
        MissingExtraError: extra `sign` is not installed.
    """
    key = _load_private_key(private_key, password)
    scheme = algorithm(key.public_key(), private_key)
    bundle = Bundle.load(folder)
    manifest = bundle.manifest
    digests = {entry.path: entry.sha256 for entry in manifest.files} | {MANIFEST: sha256(folder / MANIFEST)}
    payload = statement(f"{manifest.name}-{manifest.version}", digests)
    data = serialize(payload, key.sign(to_sign(payload), scheme), key_hint(key.public_key()))
    with write_atomically(folder / SIGNATURE) as temporary:
        temporary.write_bytes(data)
    return folder / SIGNATURE


def _load_private_key(path: Path, password: bytes | None) -> Any:
    serialization = cryptography("hazmat.primitives.serialization")
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password)
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); give a private key in PEM form") from error
    except Exception as error:  # ValueError, TypeError for a missing password, UnsupportedAlgorithm and the backend's own
        raise ExportError(f"{path}: not a private key in PEM form, or a wrong password ({error})") from error
