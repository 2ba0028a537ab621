"""Options that several kinds of sources share."""

from __future__ import annotations

import pytest

from virtualization.catalog import DataSource
from virtualization.errors import DefinitionError
from virtualization.source_options import options_of, pushdown_of, whole


@pytest.mark.parametrize(
    ("given", "meant"), [({}, "on"), ({"pushdown": "Off"}, "off"), ({"pushdown": "no"}, "off"), ({"pushdown": "forced"}, "forced")]
)
def test_pushdown(given: dict[str, str], meant: str) -> None:
    assert pushdown_of(given, "table t") == meant


def test_another_word_is_refused() -> None:
    with pytest.raises(DefinitionError, match='table t: option "pushdown" is "perhaps"'):
        pushdown_of({"pushdown": "perhaps"}, "table t")


def test_a_misspelt_option_is_told_with_the_one_that_is_near() -> None:
    source = DataSource("crm", "postgresql", "postgresql://crm/crm", {"statement_timout": "3"})
    with pytest.raises(DefinitionError, match='unknown option "statement_timout"') as failure:
        options_of(source, {"statement_timeout": whole(1), "fetch_size": whole(1)})
    assert failure.value.hint == 'Did you mean "statement_timeout"? Known options: statement_timeout, fetch_size.'
