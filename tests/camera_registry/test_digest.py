"""Digest answers against the examples of the standards; challenges that are no good are passed over."""

from __future__ import annotations

import hashlib

import pytest

from camera_registry import digest
from camera_registry.login import Login

MUFASA = Login("Mufasa", "Circle of Life")
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = digest.best([RFC7616.format(algorithm)])
    assert challenge is not None
    answer = digest.answer(challenge, MUFASA, "GET", "/dir/index.html", CNONCE)
    assert f'response="{response}"' in answer
    assert f"algorithm={algorithm}, qop=auth, nc=00000001" in answer
    assert 'opaque="FQhe/' in answer


def test_a_session_variant_hashes_nonces_into_the_secret() -> None:
    challenge = digest.best(['Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess'])
    assert challenge is not None
    answer = digest.answer(challenge, Login("u", "p"), "POST", "/", "c")
    # RFC 7616, 3.4.2, worked by hand: H(H(H(u:r:p):n:c):n:00000001:c:auth:H(POST:/)).
    own = md5("u:r:p")
    secret = md5(f"{own}:n:c")
    asked = md5("POST:/")
    response = md5(f"{secret}:n:00000001:c:auth:{asked}")
    assert f'response="{response}"' in answer
    assert "algorithm=MD5-sess" in answer


def test_a_challenge_without_qop_is_answered_as_rfc_2069_has_it() -> None:
    challenge = digest.best(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
    assert challenge is not None
    answer = digest.answer(challenge, Login("Mufasa", "CircleOfLife"), "GET", "/dir/index.html", "unused")
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in answer  # erratum 749
    assert "nc=" not in answer
    assert "algorithm" not in answer


def test_the_better_algorithm_is_taken() -> None:
    challenge = digest.best([RFC7616.format("MD5"), "Basic realm=x", RFC7616.format("SHA-256")])
    assert challenge is not None
    assert challenge.algorithm == "SHA-256"


@pytest.mark.parametrize(
    "offered",
    [
        'Basic realm="camera"',
        "Digest",
        "Digest nonce",
        'Digest realm="camera"',
        'Digest realm="r", nonce="n", algorithm=SHA-512',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n\r\nX-Injected: 1"',
        "",
        "Digest " + "," * 1_000,
    ],
)
def test_what_cannot_be_answered_is_passed_over(offered: str) -> None:
    assert digest.best([offered]) is None


def test_an_old_nonce_is_told_from_a_wrong_password() -> None:
    stale, fresh = (digest.best([f'Digest realm="r", nonce="n", stale={text}']) for text in ("TRUE", "false"))
    assert stale is not None
    assert fresh is not None
    assert (stale.stale, fresh.stale) == (True, False)


def test_a_quote_in_a_name_stays_inside_its_quotes() -> None:
    challenge = digest.Challenge("r", "n")
    answer = digest.answer(challenge, Login('a", uri="x', "p"), "GET", "/", "c")
    assert answer.startswith('Digest username="a\\", uri=\\"x", realm="r"')
    assert "p" not in answer.replace("response", "").partition("nonce")[0].removeprefix("Digest username=")


def test_several_challenges_in_one_header_are_told_apart() -> None:
    one = 'Basic realm="a, b", Digest realm="camera", qop="auth,auth-int", nonce="n1", algorithm=MD5, Negotiate'
    made = digest.best([one])
    assert made == digest.Challenge("camera", "n1", "MD5", None, True)
    assert digest.schemes([one]) == {"basic", "digest", "negotiate"}
    two = ['Digest realm="c", nonce="a", algorithm=MD5', 'Digest realm="c", nonce="b", algorithm=SHA-256']
    assert digest.best(two) == digest.best([", ".join(two)]) == digest.Challenge("c", "b", "SHA-256")
