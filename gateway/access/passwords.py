"""Passwords: what a good one is, and its argon2id hash, computed off the loop and few at a time.

The rule is that of the level-3 protection scheme (等保三级): at least 12 characters of three of the four kinds.
"""

from __future__ import annotations

import asyncio
import secrets
import string

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.refusals import Refusal

MIN_LENGTH = 12
MAX_LENGTH = 128
KINDS = 3
_AT_ONCE = 2  # each hash holds 64 MiB and a core for some 50 ms


def checked_password(password: str, username: str = "") -> str:
    """The password itself, or the refusal that says what it lacks (never the password)."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Refusal(
            "invalid",
            "password_length",
            f"密码长度须为 {MIN_LENGTH} 至 {MAX_LENGTH} 个字符。",
            f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.",
            field="password",
        )
    kinds = (
        any(c.islower() for c in password),
        any(c.isupper() for c in password),
        any(c.isdigit() for c in password),
        any(not c.isalnum() for c in password),
    )
    if sum(kinds) < KINDS:
        raise Refusal(
            "invalid",
            "password_too_simple",
            "密码须包含大写字母、小写字母、数字、符号中的至少三种。",
            "A password needs three of: capital letters, small letters, digits, other characters.",
            field="password",
        )
    if len(username) > 2 and username.lower() in password.lower():
        raise Refusal(
            "invalid",
            "password_holds_username",
            "密码不得包含用户名。",
            "A password must not contain the username.",
            field="password",
        )
    return password


def random_password(username: str = "", length: int = 16) -> str:
    """A password that passes ``checked_password``, for a first login. No characters that look alike."""
    alphabet = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI"))) + "-_."
    while True:
        password = "".join(secrets.choice(alphabet) for _ in range(length))
        try:
            return checked_password(password, username)
        except Refusal:
            continue


class Passwords:
    """Hashes and verifies. An unknown user costs the same time as a known one, so that names cannot be probed."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; ``None`` stands for a user who does not exist."""
        async with self._slots:
            right = await asyncio.to_thread(self._verify, password_hash or self._nobody, password)
        return right and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
