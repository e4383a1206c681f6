"""The table of differences names the tests that differ, all of them and no others."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conformance.differences import DIFFERENCES


def test_the_table_of_differences_is_that_of_the_tests() -> None:
    differing = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for function in ast.parse(path.read_text()).body:
            if isinstance(function, ast.FunctionDef) and calls(function, "expect_differing"):
                differing.add(function.name)
    assert differing == DIFFERENCES.keys()


def calls(function: ast.FunctionDef, name: str) -> bool:
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(it, ast.Attribute) and it.attr == name for it in called)
