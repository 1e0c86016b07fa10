"""Digest answers are right or wrong to the letter, and a nonce serves one connection for a time."""

from __future__ import annotations

import hashlib
import itertools
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.rtsp_out_digest import NONCE_SECONDS, REALM, DigestDoor, parameters

URI = "rtsp://127.0.0.1:8554/cameras/1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def door(clock: Clock | None = None) -> DigestDoor:
    return DigestDoor({"wall": "secret"}.get, clock or Clock())


def answer(
    challenge: str, algorithm: Literal["md5", "sha256"], *, username: str = "wall", password: str = "secret",  # noqa: S107 - of the test
    method: str = "DESCRIBE",
) -> str:  # fmt: skip
    """As a client answers, written down from RFC 7616, 3.4.1."""
    asked = parameters(challenge.removeprefix("Digest "))

    def h(text: str) -> str:
        return hashlib.new(algorithm, text.encode()).hexdigest()

    first, second = h(f"{username}:{asked['realm']}:{password}"), h(f"{method}:{URI}")
    extra, middle = "", asked["nonce"]
    if "qop" in asked:
        middle += ":00000001:abc:auth"
        extra = ', qop=auth, nc=00000001, cnonce="abc"'
    if algorithm == "sha256":
        extra += ", algorithm=SHA-256"
    return (
        f'Digest username="{username}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{URI}", '
        f'response="{h(f"{first}:{middle}:{second}")}"{extra}'
    )


def test_both_algorithms_open_the_door() -> None:
    asked = door()
    strong, weak = asked.challenges()
    assert "SHA-256" in strong
    assert asked.check("DESCRIBE", answer(strong, "sha256")) == ("wall", URI)
    assert asked.check("DESCRIBE", answer(weak, "md5")) == ("wall", URI)
    assert asked.check("DESCRIBE", answer(strong, "md5")) == ("wall", URI), "a client that knows MD5 only"


def test_the_example_of_the_rfc_is_computed_alike() -> None:
    """RFC 2617, 3.5, but for its realm."""
    asked = DigestDoor({"Mufasa": "Circle Of Life"}.get, Clock())
    given_hash = hashlib.md5(f"Mufasa:{REALM}:Circle Of Life".encode()).hexdigest()  # noqa: S324 - the RFC's algorithm
    request = hashlib.md5(b"GET:/dir/index.html").hexdigest()  # noqa: S324 - as above
    nonce = parameters(asked.challenges()[1])["nonce"]
    response = hashlib.md5(f"{given_hash}:{nonce}:00000001:0a4f113b:auth:{request}".encode()).hexdigest()  # noqa: S324
    header = (
        f'Digest username="Mufasa", realm="{REALM}", nonce="{nonce}", uri="/dir/index.html", qop=auth, '
        f'nc=00000001, cnonce="0a4f113b", response="{response}", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    assert asked.check("GET", header) == ("Mufasa", "/dir/index.html")


@pytest.mark.parametrize(("username", "password"), [("wall", "Secret"), ("wall", ""), ("nobody", "secret"), ("", "")])
@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_wrong_name_or_password_does_not(username: str, password: str, algorithm: Literal["md5", "sha256"]) -> None:
    asked = door()
    challenge = asked.challenges()[0]
    assert asked.check("DESCRIBE", answer(challenge, algorithm, username=username, password=password)) == "wrong"


def test_an_answer_is_for_its_method() -> None:
    asked = door()
    assert asked.check("SETUP", answer(asked.challenges()[1], "md5")) == "wrong"


@pytest.mark.parametrize("header", ["Basic d2FsbDpzZWNyZXQ=", "Digest", "Digest x", "Digest qop=auth-int", "nonsense"])
def test_anything_else_is_wrong(header: str) -> None:
    assert door().check("DESCRIBE", header) == "wrong"
    assert door().check("DESCRIBE", None) == door().check("DESCRIBE", "") == "missing"


def test_a_right_answer_for_an_old_nonce_is_stale_and_a_new_one_is_given() -> None:
    clock = Clock()
    asked = door(clock)
    challenge = asked.challenges()[0]
    assert asked.challenges()[0] == challenge, "a nonce serves as long as it may"
    clock.now = NONCE_SECONDS
    old = answer(challenge, "sha256")
    assert asked.check("DESCRIBE", old) == "stale"
    renewed = asked.challenges(stale=True)
    assert all("stale=true" in value for value in renewed)
    assert asked.check("DESCRIBE", answer(renewed[0], "sha256")) == ("wall", URI)


def test_what_was_overheard_does_not_open_another_connection() -> None:
    one, other = door(), door()
    other.challenges()
    assert other.check("DESCRIBE", answer(one.challenges()[0], "sha256")) == "stale"
    assert door().check("DESCRIBE", answer('Digest realm="gateway", nonce=""', "md5")) == "stale"


@given(st.text(max_size=200), st.sampled_from(["", "Digest ", "digest username=wall, nonce=x, "]))
def test_no_header_at_all_breaks_it(text: str, start: str) -> None:
    assert door().check("DESCRIBE", start + text) in ("missing", "wrong")


def test_values_are_read_quoted_and_bare() -> None:
    assert parameters(r'a="x, \"y\"", B=z ,c = "" , d') == {"a": 'x, "y"', "b": "z", "c": ""}
    assert list(itertools.chain(parameters("名=1"))) == []
