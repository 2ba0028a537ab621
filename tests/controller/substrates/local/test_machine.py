"""Ports and their owners, OS users, reachability, secrets: against the machine itself."""

from __future__ import annotations

import base64
import os
import pwd
import secrets
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from controller.errors import ConflictError
from controller.profiles import render_profile
from controller.spec import load_spec, port_numbers
from controller.substrates.local import ports, users
from controller.substrates.local.claims import PortClaims, claimant
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.ports import check_free, choose_base, cluster_folder_of, owner
from controller.substrates.local.reachability import UnreachableError, check_creatable, check_reachable, first_barrier
from controller.substrates.local.secret_store import SEALING_KEY, ensure_secrets, sealing_public_key
from controller.supervisor.folder import CLUSTER_MARKER
from tests.services.postgresql import free_port, reachable_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_taken_port_names_pid_command_and_cluster() -> None:
    port = free_port()
    source = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(60)"
    environment = {**os.environ, CLUSTER_MARKER: "/x/clusters/other"}
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline()
        found = owner(port)
        assert (found.pid, found.cluster) == (process.pid, "other")
        with pytest.raises(ConflictError) as caught:
            check_free([("master", port)])
        assert caught.value.message.startswith(f"master: port {port} is taken by pid {process.pid} (")
        assert caught.value.message.endswith("of the cluster 'other'")
        process.kill()
    check_free([("master", port)])


def test_owners_of_many_ports_take_one_look_at_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    look = ports._open_files

    def counted(pid: int) -> list[str]:
        looks.append(pid)
        return look(pid)

    monkeypatch.setattr(ports, "_open_files", counted)
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        numbers = [first.getsockname()[1], second.getsockname()[1], free_port()]
        found = ports.owners(numbers)
    assert [found[number].pid for number in numbers] == [os.getpid(), os.getpid(), None]
    assert len(looks) == len(set(looks))


def test_cluster_is_found_by_an_ancestors_marker() -> None:
    source = "import subprocess, sys; subprocess.run(['/bin/sh', '-c', 'echo $$; exec sleep 60'], env={})"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, env={**os.environ, CLUSTER_MARKER: "/c/mine"}) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert cluster_folder_of(child) == Path("/c/mine")
        os.kill(child, 9)


def test_the_first_free_block_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "outgoing_range", lambda: (32768, 60999))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]

        def named(base: int) -> list[tuple[str, int]]:
            return [("master", number if base == 100 else 30190 + base)]

        assert choose_base(named, set()) == 0
        assert choose_base(named, {30190}) == 200  # 100 needs the port that is taken
        with pytest.raises(ConflictError, match=f"port {number}"):
            choose_base(lambda base: [("master", number)], set())
        with pytest.raises(ConflictError, match="every block"):
            choose_base(lambda base: [("master", 30190 + base % 200)], {30190, 30290})


def test_two_programs_never_choose_the_same_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither listens yet, and neither sees the other's folder."""
    monkeypatch.setattr(ports, "outgoing_range", lambda: (32768, 60999))
    first = next(port for port in range(21000, 30000) if ports.is_free(port) and ports.is_free(port + 100))
    source = (
        "from controller.substrates.local.claims import PortClaims\n"
        f"with PortClaims() as claims:\n    print(claims.take([{first}]), flush=True)\n    input()"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other, PortClaims() as claims:
        assert other.stdout is not None and other.stdout.readline() == b"None\n"

        def chosen() -> int:
            return choose_base(lambda base: [("master", first + base)], set(), lambda wanted: claims.take(wanted) is None)

        assert claims.take([first + 1, first]) == first and claimant(first) == other.pid
        assert claimant(first + 1) is None  # all or none
        assert chosen() == 100
        other.kill()
        other.wait()
        assert chosen() == 0 and claimant(first) == os.getpid()
    assert claimant(first) is None


def test_a_port_given_by_hand_names_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with pytest.raises(ConflictError, match=f"master: port {number} is taken by pid {os.getpid()}"):
            choose_base(lambda base: [("master", number), ("controller", 30080 + base)], set())
    with pytest.raises(ConflictError, match=f"master: port {number} is in the spec of another cluster"):
        choose_base(lambda base: [("master", number), ("controller", 30080 + base)], {number})


def test_blocks_stay_below_the_ports_of_outgoing_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "outgoing_range", lambda: (32768, 60999))
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    spec = load_spec(render_profile("local", "demo"))
    reserved: set[int] = set()
    bases = []
    for _ in range(100):
        bases.append(choose_base(lambda base: port_numbers(spec, base).named(), reserved))
        reserved |= {port for _, port in port_numbers(spec, bases[-1]).named()}
    assert bases[:13] == [*range(0, 1101, 100), -100]
    assert len(reserved) == 100 * len(port_numbers(spec, 0).named()) and min(reserved) >= 1024 and max(reserved) < 32768


def test_owner_of_a_port_that_an_outgoing_connection_got() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as outgoing:
        assert owner(outgoing.getsockname()[1]).pid == os.getpid()


def test_user_names_fit_linux() -> None:
    assert users.user_name("demo", "master") == "bdc-demo-master"
    longest = users.user_name("a" * 63, "compute")
    assert len(longest) <= 32 and longest != users.user_name("a" * 62 + "b", "compute")


@as_root
def test_users_are_made_once_and_removed() -> None:
    with reachable_folder() as folder:
        home = ClusterHome(folder / f"t{secrets.token_hex(4)}")
        try:
            with_threads: list[dict[str, str]] = []
            makers = [threading.Thread(target=lambda: with_threads.append(users.ensure_users(home))) for _ in range(3)]
            for maker in makers:
                maker.start()
            for maker in makers:
                maker.join()
            assert len(with_threads) == 3 and pwd.getpwnam(f"bdc-{home.name}-master").pw_shell == "/usr/sbin/nologin"
            stranger = ClusterHome(folder / "elsewhere" / home.name)
            with pytest.raises(ConflictError, match="is not this cluster's") as refused:
                users.ensure_users(stranger)
            assert f"BDC_HOME={home.path.parent.parent} bdc delete {home.name}" in str(refused.value.hint)
            assert users.remove_users(stranger) == [] and users.remaining(stranger) == []
        finally:
            assert len(users.remove_users(home)) == len(users.POOLS) + users.APP_WORKERS
        assert users.remaining(home) == []


def test_the_first_folder_that_stops_a_user_is_named() -> None:
    with reachable_folder() as folder:
        inner = folder / "closed" / "inner"
        inner.mkdir(parents=True)
        inner.chmod(0o755)
        (folder / "closed").chmod(0o700)
        nobody = pwd.getpwnam("nobody")
        assert first_barrier(inner, nobody.pw_uid, nobody.pw_gid) == folder / "closed"
        assert first_barrier(inner, os.getuid(), os.getgid()) is None
        with pytest.raises(UnreachableError) as caught:
            check_reachable({"the cluster's folder": inner}, nobody.pw_uid, nobody.pw_gid, "nobody")
        assert "mode 0700" in caught.value.message and f"chmod o+rx {folder / 'closed'}" in str(caught.value.hint)
        (folder / "closed").chmod(0o711)
        check_reachable({"the cluster's folder": inner}, nobody.pw_uid, nobody.pw_gid, "nobody")


def test_a_folder_that_can_not_be_made_names_the_parent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError, match="is no folder"):
        check_creatable(tmp_path / "file" / "clusters")


def test_secrets_are_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(0o700)
    ensure_secrets(folder, {"master-superuser", SEALING_KEY})
    before = (folder / "master-superuser").read_bytes()
    public = sealing_public_key(folder)
    ensure_secrets(folder, {"master-superuser", SEALING_KEY, "pool-password"})
    assert (folder / "master-superuser").read_bytes() == before and len(before) >= 40
    assert sealing_public_key(folder) == public and len(base64.b64decode(public)) == 32
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == ["master-superuser", "pool-password", SEALING_KEY]
