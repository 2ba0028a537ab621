"""Options that several kinds of sources share."""

from __future__ import annotations

import pytest

from virtualization.errors import DefinitionError
from virtualization.source_options import pushdown_of


@pytest.mark.parametrize(
    ("given", "meant"), [({}, "on"), ({"pushdown": "Off"}, "off"), ({"pushdown": "no"}, "off"), ({"pushdown": "forced"}, "forced")]
)
def test_pushdown(given: dict[str, str], meant: str) -> None:
    assert pushdown_of(given, "table t") == meant


def test_another_word_is_refused() -> None:
    with pytest.raises(DefinitionError, match='table t: option "pushdown" is "perhaps"'):
        pushdown_of({"pushdown": "perhaps"}, "table t")
