"""Secrets at rest open with their key and for their record, and for nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.refusals import Refusal
from gateway.storage.vault import Vault, rotate

RECORD = "019f0000-0000-7000-8000-000000000001"
SECRET = "摄像机口令 Pa55"


def test_a_secret_comes_back_for_its_record_only(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path)
    sealed = vault.seal(SECRET, RECORD)
    assert "Pa55" not in sealed
    assert vault.open(sealed, RECORD) == SECRET
    assert vault.seal(SECRET, RECORD) != sealed
    with pytest.raises(Refusal, match="secret_unreadable"):
        vault.open(sealed, RECORD[:-1] + "2")


@pytest.mark.parametrize("damaged", ["", "v1:", "v1:AAAA", "v9:AAAA", "x", "v1:%%%", "v1:密"])
def test_a_damaged_secret_is_refused(tmp_path: Path, damaged: str) -> None:
    with pytest.raises(Refusal, match="secret_unreadable"):
        Vault.at(tmp_path).open(damaged, RECORD)


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path)
    sealed = vault.seal(SECRET, RECORD)
    changed = sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:]
    with pytest.raises(Refusal, match="secret_unreadable"):
        vault.open(changed, RECORD)


def test_the_key_is_kept_for_the_service_alone_and_found_again(tmp_path: Path) -> None:
    sealed = Vault.at(tmp_path).seal(SECRET, RECORD)
    path = tmp_path / "keys" / "vault.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["vault.key"]
    assert Vault.at(tmp_path).open(sealed, RECORD) == SECRET


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    sealed = Vault.at(tmp_path / "a").seal(SECRET, RECORD)
    with pytest.raises(Refusal, match="secret_unreadable"):
        Vault.at(tmp_path / "b").open(sealed, RECORD)


def test_after_a_rotation_new_secrets_use_the_new_key_and_old_ones_still_open(tmp_path: Path) -> None:
    old = Vault.at(tmp_path).seal(SECRET, RECORD)
    vault = rotate(tmp_path)
    new = vault.seal(SECRET, RECORD)
    assert (old[:3], new[:3]) == ("v1:", "v2:")
    again = Vault.at(tmp_path)
    assert again.open(old, RECORD) == again.open(new, RECORD) == SECRET


@pytest.mark.parametrize("content", ["", "nonsense", "1:AAAA", "1:%%%\n"])
def test_a_damaged_key_file_is_told_and_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys" / "vault.key"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(Refusal, match="vault_key_unreadable"):
        Vault.at(tmp_path)
    assert path.read_text() == content


def test_keys_do_not_show_in_a_print(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path)
    assert str(vault.keys[1]) not in repr(vault)
