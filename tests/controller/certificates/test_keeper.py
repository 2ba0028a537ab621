"""What the authority makes and when it makes it anew, with a clock of the test's own; OpenSSL judges the certificates."""

from __future__ import annotations

import contextlib
import datetime
import json
import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.certificates.authority import CertificateError, Pair, certificate_of, certificates_of, check_pair, issue, new_authority
from controller.certificates.given import GivenCertificateError, given_values
from controller.certificates.keeper import FILE, OVERLAP, Certificates
from controller.errors import StoreError
from controller.spec import load_spec
from controller.store import FolderStore

DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
WANTED = {"control": ("localhost", "127.0.0.1"), "master-0": ("db.example", "10.0.0.5", "::1")}


class Clock:
    def __init__(self, now: datetime.datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Certificates:
    return Certificates(FolderStore(tmp_path / "store"), "demo", clock)


def handshake(pair: Pair, root: str, name: str, folder: Path) -> None:
    """As a client and a server of this machine's OpenSSL see it; ssl.SSLError where it is refused."""
    (folder / "c").write_text(pair.certificate)
    (folder / "k").write_text(pair.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "c", folder / "k")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cadata=root).wrap_bio(back, there, server_hostname=name)
    server = serving.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()


def test_what_it_makes_is_good_for_its_names_and_for_nobody_else(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    authority, other = new_authority("demo", now, 10), new_authority("demo", now, 10)
    pair = issue(authority, "master-0", ("db.example", "127.0.0.1", "::1"), now, 90)
    for name in ("db.example", "127.0.0.1", "::1"):
        handshake(pair, authority.certificate, name, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        handshake(pair, authority.certificate, "other.example", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        handshake(pair, other.certificate, "db.example", tmp_path)
    with pytest.raises(CertificateError, match="does not belong"):
        check_pair(Pair(pair.certificate, other.key))
    with pytest.raises(ssl.SSLCertVerificationError):  # a server's certificate signs nobody
        handshake(issue(pair, "x", ("db.example",), now, 1), authority.certificate, "db.example", tmp_path)
    assert certificate_of(pair.certificate).not_valid_after_utc == certificate_of(authority.certificate).not_valid_after_utc


def test_a_clock_that_is_behind_takes_a_new_certificate(kept: Certificates, clock: Clock) -> None:
    kept.ensure(WANTED, 90)
    assert all(one.begins <= clock.now - datetime.timedelta(minutes=10) for one in kept.listing())


def test_nothing_is_made_twice_and_renewal_comes_when_a_third_is_left(kept: Certificates, clock: Clock) -> None:
    assert len(kept.ensure(WANTED, 90)) == 3
    assert kept.ensure(WANTED, 90) == []
    clock.now += 59 * DAY
    assert kept.ensure(WANTED, 90) == []
    clock.now += 2 * DAY
    assert [said.split(":")[0] for said in kept.ensure(WANTED, 90)] == ["control", "master-0"]


def test_other_names_make_another_certificate_and_what_is_gone_goes(kept: Certificates) -> None:
    kept.ensure(WANTED, 90)
    assert kept.ensure({"control": ("127.0.0.1",)}, 90) == ["control: a new certificate (it is reached under other names)"]
    assert set(kept.values()) == {"tls-ca.crt", "tls-control.crt", "tls-control.key"}


def test_a_new_authority_is_trusted_first_signs_then_and_the_old_one_leaves_last(kept: Certificates, clock: Clock, tmp_path: Path) -> None:
    clock.now = datetime.datetime.now(datetime.UTC) - OVERLAP  # OpenSSL goes by the real one
    kept.ensure(WANTED, 90)
    before = kept.bundle()
    kept.rotate_authority(WANTED, 90)
    both = kept.bundle()
    assert len(certificates_of(both)) == 2
    old = kept.pair("control")
    assert old is not None
    handshake(old, both, "localhost", tmp_path)
    assert kept.ensure(WANTED, 90) == []
    clock.now += OVERLAP
    assert len(kept.ensure(WANTED, 90)) == 2
    new = kept.pair("control")
    assert new is not None
    handshake(new, both, "localhost", tmp_path)  # who has looked at the bundle within the week
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(new, before, "localhost", tmp_path)
    assert kept.bundle() == both, "servers may show the old certificates a while longer"
    clock.now += OVERLAP
    kept.ensure(WANTED, 90)
    assert len(certificates_of(kept.bundle())) == 1


def test_at_once_nothing_old_is_trusted(kept: Certificates) -> None:
    kept.ensure(WANTED, 90)
    before = kept.bundle()
    assert len(kept.rotate_authority(WANTED, 90, at_once=True)) == 3
    assert len(certificates_of(kept.bundle())) == 1
    assert kept.bundle() != before


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_whatever_time_passes_everything_is_valid_and_signed_by_who_is_trusted(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    clock = Clock()
    kept = Certificates(FolderStore(tmp_path_factory.mktemp("store")), "demo", clock)
    for days in steps:
        clock.now += days * DAY
        kept.ensure(WANTED, 90)
        roots = certificates_of(kept.bundle())
        for one in kept.listing():
            assert one.begins < clock.now < one.due <= one.expires
        for name in WANTED:
            pair = kept.pair(name)
            assert pair is not None
            issuer = certificate_of(pair.certificate).issuer
            assert issuer in [root.subject for root in roots]
            check_pair(pair)


def test_what_was_not_laid_is_laid_again(kept: Certificates) -> None:
    kept.ensure(WANTED, 90)
    values = kept.unpublished()
    assert values is not None
    assert kept.unpublished() == values
    kept.published(values)
    assert kept.unpublished() is None
    kept.rotate(WANTED, 90, frozenset({"control"}))
    assert kept.unpublished() is not None


def test_the_store_is_for_its_owner_alone_and_keys_are_in_no_text(kept: Certificates, tmp_path: Path) -> None:
    kept.ensure(WANTED, 90)
    assert (tmp_path / "store" / FILE).stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(kept.pair("control")) + repr(kept.listing()) + kept.bundle()


@pytest.mark.parametrize("damage", ["{}", '{"authorities": [{"certificate": "x", "key": "y"}]}', '{"authorities": 5}', "[]"])
def test_a_damaged_or_lost_file_says_what_brings_it_back(kept: Certificates, tmp_path: Path, damage: str) -> None:
    kept.ensure(WANTED, 90)
    (tmp_path / "store" / FILE).write_text(damage)
    if json.loads(damage) == {}:
        assert len(kept.ensure(WANTED, 90)) == 3  # as if there had never been one
        return
    with pytest.raises(StoreError, match="does not hold the cluster's certificates") as caught:
        kept.ensure(WANTED, 90)
    assert "backup" in str(caught.value.hint)


def test_a_certificate_of_the_spec_is_checked_before_it_is_laid(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    authority = new_authority("company", now, 10)
    good, other = (issue(authority, "x", ("db.example",), now, 5) for _ in range(2))
    text = f"apiVersion: openbdc.dev/v1alpha1\nkind: BigDataCluster\nmetadata: {{name: x}}\nspec: {{network: {{tls: {{certificate: {tmp_path}/c, key: {tmp_path}/k}}}}}}"  # fmt: skip # noqa: E501
    spec = load_spec(text)
    with pytest.raises(GivenCertificateError, match="can't be read"):
        given_values(spec, now)
    (tmp_path / "c").write_text(good.certificate)
    (tmp_path / "k").write_text(other.key)
    with pytest.raises(GivenCertificateError, match="the key does not belong to the certificate"):
        given_values(spec, now)
    (tmp_path / "k").write_text(good.key)
    assert given_values(spec, now) == {"tls-given.crt": good.certificate, "tls-given.key": good.key}
    with pytest.raises(GivenCertificateError, match="has expired"):
        given_values(spec, now + 6 * DAY)
