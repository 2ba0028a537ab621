"""What a running controller does about certificates: makes, lays and tells, with a server of the test's own."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest

from controller.certificates.authority import issue, new_authority
from controller.certificates.examining import certificate_checks
from controller.certificates.keeper import Certificates
from controller.certificates.machine import machine_hosts_of, machine_names
from controller.certificates.policy import encrypted, machine_hosts
from controller.certificates.renewal import CertificateEnds, Renewal
from controller.errors import ConflictError, StoreError, UnknownNameError
from controller.facts import Facts
from controller.operations.doctor import examined
from controller.spec import ClusterSpec, load_spec
from controller.store import FolderStore
from controller.workloads import all_workloads

SPEC = "apiVersion: openbdc.dev/v1alpha1\nkind: BigDataCluster\nmetadata: {name: demo}\nspec: {security: {tls: {enabled: true}}}"


class World:
    """``laid``: what the substrate was given; ``down``: it does not answer."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.datetime.now(datetime.UTC)
        self.laid: list[Mapping[str, str]] = []
        self.down = False
        self.spec: ClusterSpec = load_spec(SPEC)
        certificates = Certificates(FolderStore(folder), "demo", lambda: self.now)
        self.given: str | None = None
        self.reloads: list[bool] = []
        ends = CertificateEnds(
            machine_hosts_of, self.publish, lambda: "", lambda spec: self.given, lambda spec: spec.spec.kubernetes.tls_secret is not None
        )
        self.renewal = Renewal(
            certificates,
            ends,
            lambda spec: all_workloads(spec, Facts()),
            lambda name: "127.0.0.1",
            lambda spec, replaced: self.reloads.append(replaced),
        )

    def publish(self, values: Mapping[str, str]) -> None:
        if self.down:
            raise StoreError("the supervisor does not answer")
        self.laid.append(values)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_due_is_made_and_laid_once(world: World) -> None:
    world.renewal.look(world.spec)
    world.renewal.look(world.spec)
    assert len(world.laid) == 1
    assert {"tls-ca.crt", "tls-control.key", "tls-master-0.crt", "tls-data-1.crt"} <= world.laid[0].keys()
    world.now += datetime.timedelta(days=61)
    world.renewal.look(world.spec)
    assert len(world.laid) == 2


def test_a_certificate_that_somebody_else_replaces_is_loaded_where_it_is_newer(world: World) -> None:
    world.renewal.look(world.spec)
    assert not world.reloads
    for tls in ("true", "false"):
        text = SPEC.replace("enabled: true}}", f"enabled: {tls}}}}}, kubernetes: {{tlsSecret: cert}}")
        world.renewal.look(load_spec(text))
    assert world.reloads == [True, True]


def test_what_could_not_be_laid_is_laid_later(world: World) -> None:
    world.down = True
    world.renewal(world.spec)  # logged, and the pass goes on
    world.down = False
    world.renewal.look(world.spec)
    assert len(world.laid) == 1


def test_rotation_names_what_there_is(world: World) -> None:
    world.renewal.look(world.spec)
    assert world.renewal.rotate(world.spec, frozenset({"master-0"})) == ["master-0: a new certificate (it was asked for)"]
    with pytest.raises(UnknownNameError, match="master-9"):
        world.renewal.rotate(world.spec, frozenset({"master-9"}))
    plain = load_spec(SPEC.replace("true", "false"))
    with pytest.raises(ConflictError, match="speaks no TLS"):
        world.renewal.rotate(plain, frozenset())


def test_the_doctor_warns_before_the_end(world: World) -> None:
    world.renewal.look(world.spec)
    checks = certificate_checks(world.renewal, lambda: world.spec)
    assert {one.state for one in examined(checks)} == {"ok"}
    world.now -= datetime.timedelta(days=70)
    world.renewal.rotate(world.spec, frozenset())  # made 70 days ago
    assert {one.state for one in examined(checks)} == {"ok", "warning"}
    world.now -= datetime.timedelta(days=30)
    world.renewal.rotate(world.spec, frozenset({"control"}))
    assert any(one.state == "problem" and "clients refuse it" in one.message for one in examined(checks))
    assert certificate_checks(None, lambda: world.spec) == {}


def customers(days: int) -> str:
    """A certificate of another authority, which has so many days left."""
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=100)
    return issue(new_authority("customer", begun, 3650), "customer", ("bdc.example.com",), begun, 100 + days).certificate


def test_the_doctor_asks_for_a_successor_of_the_customers(world: World) -> None:
    world.renewal.look(world.spec)
    checks = certificate_checks(world.renewal, lambda: world.spec)

    def doctor(days: int) -> tuple[str, str | None]:
        world.given = customers(days)
        (found,) = [one for one in examined(checks) if "spec.network.tls" in one.message]
        return found.state, found.fix

    assert doctor(30) == ("ok", None)
    assert doctor(20)[0] == "warning" and "bdc start" in str(doctor(20)[1])
    assert doctor(-1)[0] == "problem"
    world.given = "no certificate"
    assert [one.state for one in examined(checks) if "spec.network.tls" in one.message] == ["problem"]


def test_how_long_each_is_good(world: World) -> None:
    assert world.renewal.left(world.spec) == {}
    world.renewal.look(world.spec)
    world.renewal.rotate_authority(world.spec, at_once=False)  # trusted, and does not sign yet
    left = world.renewal.left(world.spec)
    assert {"ca", "control", "master-0", "data-1"} <= left.keys() and "given" not in left
    day = 86400
    assert 89 * day < left["control"] < 91 * day < 3649 * day < left["ca"] < 3651 * day
    world.given = customers(-1)
    assert -2 * day < world.renewal.left(world.spec)["given"] < 0


def test_names_of_a_machine() -> None:
    assert encrypted(load_spec(SPEC))
    assert not encrypted(load_spec(SPEC.replace("true", "null")))
    assert machine_hosts("127.0.0.1", ("host",)) == ("127.0.0.1", "::1", "localhost")
    assert machine_hosts("10.0.0.5", ("host", "10.9.9.9")) == ("127.0.0.1", "::1", "localhost", "host", "10.0.0.5")
    assert machine_hosts("0.0.0.0", ("host", "10.9.9.9")) == ("127.0.0.1", "::1", "localhost", "host", "10.9.9.9")
    assert machine_names()
