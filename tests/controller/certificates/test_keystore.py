"""A pair as Java takes it: made once, made anew with its pair."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from controller.certificates.authority import CertificateError, Pair
from controller.certificates.keystore import holds, keystore, keystores
from controller.substrates.local.programs import ProgramMissingError, java
from pools.encryption import KEYSTORE_PASSWORD
from tests.services.certificates import Laid, laid

NAME = "tls-nmnode-0.p12"


@pytest.fixture
def certificates(tmp_path: Path) -> Laid:
    return laid(tmp_path / "tls")


def values(pair: Pair) -> dict[str, bytes]:
    return {"tls-nmnode-0.crt": pair.certificate.encode(), "tls-nmnode-0.key": pair.key.encode()}


def test_it_holds_what_it_was_made_of_and_nothing_else(certificates: Laid) -> None:
    pair, other = certificates.pair, certificates.issued()
    made = keystore(pair)
    assert holds(made, pair) and not holds(made, other)
    assert not holds(b"", pair) and not holds(b"\x30\x82", pair) and not holds(made[:-1], pair)
    with pytest.raises(CertificateError, match="does not belong"):
        keystore(Pair(pair.certificate, other.key))


def test_the_chain_is_in_it(certificates: Laid) -> None:
    pair = certificates.pair
    chain = Pair(pair.certificate + certificates.authority.certificate, pair.key)
    assert holds(keystore(chain), chain) and not holds(keystore(chain), pair)


def test_one_that_is_there_stays_until_its_pair_is_another_one(certificates: Laid) -> None:
    there = values(certificates.pair)
    there |= keystores([NAME, "tls-nmnode-0.crt", "admin-password"], there)
    assert set(there) == {NAME, "tls-nmnode-0.crt", "tls-nmnode-0.key"}
    assert keystores([NAME], there) == {}
    renewed = certificates.issued()
    assert holds(keystores([NAME], there | values(renewed))[NAME], renewed)
    assert keystores([NAME], {**there, "tls-nmnode-0.key": renewed.key.encode()}) == {}, "half of a pair is waited for"
    assert keystores([NAME], {}) == {}


def test_java_reads_it(certificates: Laid, tmp_path: Path) -> None:
    try:
        keytool = shutil.which("keytool") or str(Path(java()).resolve().parent / "keytool")
    except ProgramMissingError as error:
        pytest.skip(f"no Java: {error.message} ({error.hint})")
    if not Path(keytool).exists():
        pytest.skip(f"no Java: {keytool} is not there")
    file = tmp_path / "tls.p12"
    file.write_bytes(keystore(certificates.pair))
    asked = [keytool, "-list", "-keystore", str(file), "-storetype", "PKCS12", "-storepass", KEYSTORE_PASSWORD]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "PrivateKeyEntry" in done.stdout, done.stdout + done.stderr
