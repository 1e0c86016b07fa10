"""A PostgreSQL of the bench's own: a throw-away cluster that listens on a local socket only, with its fsync on."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """``folder`` holds its socket; ``url`` is what the gateway is given."""

    folder: Path
    binaries: Path

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://gateway@/gateway?host={self.folder}"

    def start(self) -> None:
        """Start it, or start it again after ``kill``."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c max_connections=100"
        for tries_left in reversed(range(20)):
            try:
                return self._control("-l", str(self.folder / "log"), "-o", options, "start")
            except subprocess.CalledProcessError:
                if not tries_left:
                    raise
                time.sleep(1)  # what was killed is still being cleared away

    def stop(self) -> None:
        with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            self._control("-m", "immediate", "stop")

    def kill(self) -> None:
        """``kill -9`` of the server's first process and of every one it has begun."""
        first = int((self.folder / "data/postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        subprocess.run(
            _as_postgres(command), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90, cwd="/"
        )

    def _control(self, *arguments: str) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", *arguments)


@contextmanager
def postgres_cluster() -> Iterator[PostgresCluster | None]:
    """A running cluster with an empty database, or None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="gw-bench-pg-"))
    cluster = PostgresCluster(folder, found[-1].parent)
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        where = ("-D", str(folder / "data"), "-U", "gateway", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        cluster.run("initdb", *where)
        cluster.start()
        cluster.run("createdb", "-h", str(folder), "-U", "gateway", "gateway")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package brings the user for it."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
