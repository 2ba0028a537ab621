from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.dn import safe_rdn

from controller.auth.directory.escaping import DnError, canonical_dn, dn_value, filter_octets, filter_value, parse_dn

NASTY = st.text(alphabet=st.sampled_from('*()\\,=#+;<>" \0/&|!~äЖ日e\u0301aB1'), max_size=12)
TEXT = st.one_of(NASTY, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


def assertions(text: str) -> list[tuple[str, bytes]]:
    """What ldap3 would send of a filter: (attribute, value) of a single equality."""
    compiled = compile_filter(parse_filter(text, None, False, None, None, False).elements[0])
    return [(str(compiled["equalityMatch"]["attributeDesc"]), bytes(compiled["equalityMatch"]["assertionValue"]))]


@settings(max_examples=60)
@given(TEXT.filter(bool))
def test_a_value_in_a_filter_arrives_as_it_was(text: str) -> None:
    assert assertions(f"(uid={filter_value(text)})") == [("uid", text.encode())]


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=32))
def test_octets_in_a_filter_arrive_as_they_were(value: bytes) -> None:
    assert assertions(f"(objectSid={filter_octets(value)})") == [("objectSid", value)]


@given(TEXT.filter(bool))
def test_a_value_in_a_name_is_one_value_of_one_level(text: str) -> None:
    assert parse_dn(f"uid={dn_value(text)},ou=people") == ((("uid", text),), (("ou", "people"),))


@given(NASTY.filter(bool))
def test_an_escaped_name_is_one_level_for_ldap3_too(text: str) -> None:
    assert len(safe_rdn(f"uid={dn_value(text)},ou=people")) == 1


@given(TEXT, TEXT)
def test_what_is_typed_adds_no_level(first: str, second: str) -> None:
    typed = f"{first},{second}"
    assert len(parse_dn(f"uid={dn_value(typed)},dc=x")) == 2


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("CN=Admins,OU=Groups,DC=x", "cn=admins, ou=groups ,dc=X"),
        ("cn=a\\2cb,dc=x", "cn=a\\,b,dc=x"),
        ("cn=J\\c3\\b6rg,dc=x", "cn=jörg,dc=x"),
        ("cn=a+sn=b,dc=x", "SN=b + cn=a,dc=x"),
        ("cn=a  b,dc=x", "cn=A b,dc=x"),
    ],
)
def test_spellings_of_one_name(left: str, right: str) -> None:
    assert canonical_dn(left) == canonical_dn(right)


@pytest.mark.parametrize(("left", "right"), [("cn=a\\,b,dc=x", "cn=a,b=,dc=x"), ("cn=a,dc=x", "cn=a,dc=y"), ("cn=a b", "cn=ab")])
def test_other_names(left: str, right: str) -> None:
    assert canonical_dn(left) != canonical_dn(right)


@pytest.mark.parametrize("text", ["admins", "cn=a,admins", "=x", "cn=a\\"])
def test_no_name(text: str) -> None:
    with pytest.raises(DnError):
        parse_dn(text)


@given(TEXT)
def test_nothing_breaks_the_comparison(text: str) -> None:
    assert canonical_dn(text) == canonical_dn(text)
