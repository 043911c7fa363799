"""docs/FAULT-COVERAGE.md names a test or a scenario of the virtual cart for every fault, and no lost one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/FAULT-COVERAGE.md").read_text()
ROWS = {int(number): line for number, line in re.findall(r"^\| (\d+) \|(.*)$", TEXT, re.M)}
SCENARIOS = ROOT / "tests/vm/inside/script.py"


def scenarios():
    """Row and fault of each, which only the guest can import."""
    calls = [node for node in ast.walk(ast.parse(SCENARIOS.read_text())) if isinstance(node, ast.Call)]
    found = [call.args[:2] for call in calls if getattr(call.func, "id", "") == "Scenario"]
    return {fault.value: int(row.value) for row, fault in found}


def functions(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_row_is_there():
    assert sorted(ROWS) == list(range(1, 50))


def test_every_named_test_exists():
    named = [name.split("::") for line in ROWS.values() for name in re.findall(r"`([^`]+::[^`]+)`", line)]
    assert len(named) > 80
    gone = [(path, test) for path, test in named if test not in functions(ROOT / "tests" / path)]
    assert not gone


def test_every_scenario_of_the_virtual_cart_stands_in_its_row_and_no_other():
    named = {(fault, row) for row, line in ROWS.items() for fault in re.findall(r"`cart: ([^`]+?)\*?`", line)}
    assert named == set(scenarios().items())


def test_those_of_continuous_integration_are_marked():
    marked = set(re.findall(r"`cart: ([^`]+)\*`", TEXT))
    (core,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(SCENARIOS.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "CORE"
    )
    assert marked == set(core)
