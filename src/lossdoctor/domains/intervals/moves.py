"""Operations that only move elements: the result is a view of the argument.

An element of a view is some element of the argument, so a view of an elementwise expression is that expression of
views. Two views of one tensor through the same moves are the same tensor; through different moves they are taken as
unrelated.
"""

from __future__ import annotations

from lossdoctor.domains.intervals import sizes
from lossdoctor.graph.dims import UNKNOWN
from lossdoctor.graph.ir import Node

Move = tuple[object, ...]
Chain = tuple[Move, ...]

RESHAPES = frozenset({"reshape", "squeeze", "expand_dims"})
# Each element of the result is an element of the first argument; the other arguments are static sizes.
MOVES = RESHAPES | frozenset(
    "broadcast_to permute_dims slice strided_slice tile flip roll depth_to_space space_to_depth mirror_pad".split()
)


def move(node: Node) -> Move:
    """What the node does to its argument, equal for equal moves only."""
    kind = "reshape" if node.op in RESHAPES else node.op
    shape = node.shape
    if shape is None or UNKNOWN in shape:
        return (kind, "node", node.id)
    if kind in ("reshape", "broadcast_to"):
        return (kind, shape)
    return (kind, shape, tuple(sorted((key, repr(value)) for key, value in node.attrs.items())), node.args[1:])


def lifted(arg: Node, node: Node, chain: Chain) -> Chain:
    """The moves that bring an argument of an elementwise node to a view of that node."""
    if not chain or sizes.same(arg.shape, node.shape):
        return chain
    if node.shape is None or UNKNOWN in node.shape:
        return (("broadcast_to", "node", node.id), *chain)
    return (("broadcast_to", node.shape), *chain)


def normal(arg: Node, chain: Chain) -> Chain:
    """The same chain of moves on `arg`, without reshapes that cancel."""
    moves = list(chain)
    index = 0
    while index + 1 < len(moves):
        if moves[index][0] == "reshape" and moves[index + 1][0] == "reshape":
            del moves[index]
        else:
            index += 1
    known = arg.shape is not None and UNKNOWN not in arg.shape
    if moves and known and moves[0] in (("reshape", arg.shape), ("broadcast_to", arg.shape)):
        return normal(arg, tuple(moves[1:])) if moves[1:] else ()
    return tuple(moves)
