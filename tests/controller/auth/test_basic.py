"""The header ``Authorization: Basic``, as anybody may send it."""

from __future__ import annotations

import base64

import pytest

from controller.auth.basic import credentials


def test_a_name_and_a_password_with_colons() -> None:
    header = "basic " + base64.b64encode("zoë:a:b".encode()).decode()
    assert credentials(header) == ("zoë", "a:b")


@pytest.mark.parametrize(
    "header", ["", "Basic", "Bearer YTpi", "Basic YWxpY2U", "Basic Yic ï", "Basic \xffYTpi", "Basic /////w==", "Basic YWxpY2U="]
)
def test_anything_else_is_no_login(header: str) -> None:
    assert credentials(header) is None
