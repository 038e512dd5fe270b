"""docs/reliability.md tells of each row what happens and which tests show it, and tells the truth."""

import ast
import os
import pathlib
import re

ROOT = pathlib.Path(os.environ["CASTOOL_SOURCE_DIR"])
ROWS = set(range(1, 65))


def rows_tested():
    """{row: names of its tests without test_row_NN_}."""
    found = {}
    for path in (ROOT / "tests/e2e").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match = isinstance(node, ast.FunctionDef) and re.fullmatch(
                r"test_row_(\d\d)_(\w+)", node.name)
            if match:
                found.setdefault(int(match.group(1)), []).append(match.group(2))
    return found


def tables():
    """The cells of every line of every table of the page."""
    lines = (ROOT / "docs/reliability.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in lines if re.match(r"\| *\d", line)]


def test_every_row_has_a_test():
    found = rows_tested()
    assert set(found) == ROWS


def test_no_name_is_used_twice():
    for row, names in rows_tested().items():
        assert len(names) == len(set(names)), row


def test_the_page_names_the_tests_of_each_row():
    named = {int(cells[0]): set(re.findall(r"`(\w+)`", cells[1]))
             for cells in tables()
             if len(cells) == 2 and "`" in cells[1]}
    assert named == {row: set(names) for row, names in rows_tested().items()}


def test_the_page_says_of_each_row_what_happens():
    told = [int(number) for cells in tables() if len(cells) == 3
            for number in re.findall(r"\d+", cells[0])]
    assert set(told) == ROWS
