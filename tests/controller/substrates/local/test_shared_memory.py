"""Shared memory of killed PostgreSQL servers: that of the given owners is removed, what is used or somebody else's stays."""

from __future__ import annotations

import ctypes
import os
import pathlib
import secrets

import pytest

from controller.substrates.local.shared_memory import FILES, remove_shared_memory, segments

IPC_CREAT, IPC_RMID = 0o1000, 0
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmdt.argtypes = [ctypes.c_void_p]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    made = tmp_path / "pgdata"
    made.mkdir()
    return made


def segment(folder: pathlib.Path) -> int:
    number: int = libc.shmget(ctypes.c_int(folder.stat().st_ino & 0x7FFFFFFF), 56, IPC_CREAT | 0o600)
    assert number >= 0, os.strerror(ctypes.get_errno())
    return number


def test_the_segment_of_a_data_folder_goes_when_nobody_uses_it(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    number = segment(folder)
    used = libc.shmat(number, None, 0)
    assert remove_shared_memory((), [folder], os.geteuid()) == 0
    libc.shmdt(used)
    assert remove_shared_memory((), [tmp_path], os.geteuid()) == 0
    assert remove_shared_memory((), [folder, tmp_path / "missing"], os.geteuid()) == 1
    assert number not in {one.number for one in segments()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has segments of other users")
def test_everything_of_a_pools_user_goes(folder: pathlib.Path) -> None:
    stranger = 3_000_000_000 + secrets.randbelow(1_000_000)  # nobody's
    file, other = (FILES / f"PostgreSQL.{secrets.randbelow(10**9)}" for _ in range(2))
    try:
        for path in (file, other):
            path.write_bytes(b"x")
        os.chown(file, stranger, stranger)
        assert remove_shared_memory({stranger}, (), os.geteuid()) == 1
        assert not file.exists() and other.exists()
    finally:
        for path in (file, other):
            path.unlink(missing_ok=True)
