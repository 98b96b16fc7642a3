"""Syntax trees, made once for each text."""

from __future__ import annotations

import ast

from lossdoctor.source.parsed import classes, nodes, nodes_of, parsed

TEXT = """\
class Outer:
    class Inner:
        pass

    def method(self):
        class Local:
            pass

if True:
    class Twice:
        first = 1
else:
    class Twice:
        second = 2
"""


def test_classes_have_the_names_that_python_gives_them() -> None:
    found = classes(parsed(TEXT))
    assert {name: node.lineno for name, node in found.items()} == {
        "Outer": 1,
        "Outer.Inner": 2,
        "Outer.method.<locals>.Local": 6,
        "Twice": 10,
    }


def test_nodes_of_a_kind_are_in_the_order_of_all() -> None:
    tree = parsed(TEXT)
    kinds = (ast.ClassDef, ast.Pass)
    assert nodes_of(tree, *kinds) == tuple(node for node in nodes(tree) if isinstance(node, kinds))
    assert len(nodes_of(tree, *kinds)) == 7
