"""Secrets at rest: AES-256-GCM with keys that lie outside the database, in the data folder's ``keys/vault.key``.

The identifier of the record is bound in as associated data, so that a sealed secret copied into another row does not
open there. Each sealed text begins with the number of its key: a new key is put in front, old ones still open.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.refusals import Refusal
from gateway.storage.durable import to_disk

_NONCE_BYTES = 12  # NIST SP 800-38D: 96 bits, random
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens secrets. ``keys`` maps a key's number to its bytes; the highest number seals."""

    keys: dict[int, bytes] = field(repr=False)

    @classmethod
    def at(cls, data_folder: Path) -> Vault:
        """The vault of a data folder; its key is made at the first start and readable by the service alone."""
        path = data_folder / "keys" / "vault.key"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_keys(path, {1: secrets.token_bytes(_KEY_BYTES)})
        return cls(_read_keys(path))

    def seal(self, secret: str, record_id: str) -> str:
        """The sealed form of ``secret``, which opens only for the same ``record_id``."""
        number = max(self.keys)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.keys[number]).encrypt(nonce, secret.encode(), record_id.encode())
        return f"v{number}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, record_id: str) -> str:
        """The secret; refuses what another record's, another vault's or a damaged one."""
        head, _, body = sealed.partition(":")
        try:
            key = self.keys[int(head.removeprefix("v"))]
            data = base64.urlsafe_b64decode(body.encode())
            return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], record_id.encode()).decode()
        except (KeyError, ValueError, binascii.Error, InvalidTag) as error:
            raise Refusal(
                "unavailable",
                "secret_unreadable",
                "无法解密已保存的口令：密钥文件 keys/vault.key 与数据库不匹配。",
                "A stored secret does not open: the key file keys/vault.key does not belong to this database.",
            ) from error


def rotate(data_folder: Path) -> Vault:
    """Put a new key in front. Old keys stay until every secret has been sealed anew."""
    path = data_folder / "keys" / "vault.key"
    keys = dict(Vault.at(data_folder).keys)
    keys[max(keys) + 1] = secrets.token_bytes(_KEY_BYTES)
    _write_keys(path, keys)
    return Vault(keys)


def _write_keys(path: Path, keys: dict[int, bytes]) -> None:
    """Whole or not at all: a key file cut short by a crash would cost every secret."""
    lines = "".join(f"{number}:{base64.b64encode(key).decode()}\n" for number, key in sorted(keys.items()))
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    to_disk(path.parent)


def _read_keys(path: Path) -> dict[int, bytes]:
    try:
        keys = {}
        for line in path.read_text().splitlines():
            number, _, key = line.partition(":")
            keys[int(number)] = base64.b64decode(key, validate=True)
        if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise ValueError("a key is missing or has a wrong length")
    except (ValueError, OSError) as error:
        raise Refusal(
            "unavailable",
            "vault_key_unreadable",
            f"密钥文件 {path} 无法读取或已损坏，请从备份恢复。",
            f"The key file {path} cannot be read or is damaged; restore it from the backup.",
        ) from error
    return keys
