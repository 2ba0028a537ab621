"""Session fixtures end after their last test, in the reverse order of their making."""

from __future__ import annotations

import pytest

pytest_plugins = "pytester"
CONFTEST = """
import pytest
from tests.sharing import Sharing

def pytest_configure(config):
    config.pluginmanager.register(Sharing())

@pytest.fixture(scope="session")
def base():
    yield print("+base")
    print("-base")

@pytest.fixture(scope="session")
def above(base):
    yield print("+above")
    print("-above")

@pytest.fixture(scope="session")
def whole():
    yield print("+whole")
    print("-whole")

@pytest.fixture(scope="module")
def part(base):
    yield print("+part")
    print("-part")
"""
FIRST = """
def test_1(above, whole): print("1")
def test_2(part): print("2")
def test_3(part): print("3")
def test_4(): print("4")
"""
SECOND = """
def test_5(whole): print("5")
def test_6(request): print("6", request.getfixturevalue("base"))
"""


def test_what_is_shared_ends_after_its_last_test(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("tests")
    for name, text in (("conftest.py", CONFTEST), ("test_a.py", FIRST), ("test_b.py", SECOND)):
        (folder / name).write_text(text)
    done = pytester.runpytest_inprocess("-s", "-q", "-p", "no:cacheprovider", "tests")
    done.assert_outcomes(passed=6)
    said = [word for word in done.stdout.str().partition("\n6 passed")[0].replace(".", " ").split() if word[0] in "+-" or word in "123456"]
    first = ["+base", "+above", "+whole", "1", "-above", "+part", "2", "3", "-part", "-base", "4", "5", "-whole"]
    assert said == [*first, "+base", "6", "-base"]
