"""Reads back the text that `graph.text` writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Attr, Dim, Graph, LossGraph, Node
from lossdoctor.graph.text import long_dtype

_ARGUMENT = re.compile(r"%(\d+)(?: ([^:]+))?: (\w+)\[([^\]]*)\]")
_NODE = re.compile(r"%(\d+): (\w+)\[([^\]]*)\] = (\S+)(.*)")
_TOKEN = re.compile(r"\{[^}]*\}|\S+")


class _Lines:
    def __init__(self, text: str) -> None:
        # Two blanks start a comment: text has no other run of blanks, and strings hold them escaped.
        self.lines = [re.split(r"\s+# ", line, maxsplit=1)[0].strip() for line in text.splitlines()]
        self.position = 0

    def next(self) -> str:
        if self.position >= len(self.lines):
            raise ValueError("the text of a graph ends too early")
        self.position += 1
        return self.lines[self.position - 1]

    def peek(self) -> str:
        return self.lines[self.position] if self.position < len(self.lines) else ""


def parse(text: str) -> LossGraph | Graph:
    """The graph that a text describes, without spans and names.

    Raises ValueError for text that is none.
    """
    lines = _Lines("\n".join(line for line in text.splitlines() if line.strip()))
    header = lines.next()
    if not header.startswith("loss("):
        return _graph(header, lines)
    match = re.fullmatch(r"loss\((.*)\) -> %(\d+), gradients ?(.*?)(?: \[(\w+)\])?", header)
    if match is None:
        raise ValueError(f"not the head of a loss: {header!r}")
    inputs = [_input(m, body=False) for m in _ARGUMENT.finditer(match[1])]
    value = int(match[2])
    gradients = tuple(None if word == "none" else int(word[1:]) for word in match[3].split())
    outputs = tuple(dict.fromkeys((value, *(g for g in gradients if g is not None))))
    graph = _nodes(inputs, outputs, lines)
    roles: Mapping[str, list[int]] = {"y_true": [], "y_pred": []}
    for node in inputs:
        roles[str(node.attrs["role"])].append(node.id)
    stage = "optimised" if match[4] == "optimised" else "traced"
    return LossGraph(graph, tuple(roles["y_true"]), tuple(roles["y_pred"]), value, gradients, stage)


def _graph(header: str, lines: _Lines) -> Graph:
    match = re.fullmatch(r"(graph|body)\((.*)\) ->(.*)", header)
    if match is None:
        raise ValueError(f"not the head of a graph: {header!r}")
    inputs = [_input(m, body=True, index=i) for i, m in enumerate(_ARGUMENT.finditer(match[2]))]
    return _nodes(inputs, tuple(int(word[1:]) for word in match[3].split()), lines)


def _input(match: re.Match[str], *, body: bool, index: int = 0) -> Node:
    role, slash, key = (match[2] or "").partition("/")
    attrs: dict[str, Attr] = {"role": "argument", "index": index} if body else {"role": role}
    if slash:
        attrs["key"] = key
    return Node(int(match[1]), "input", (), _shape(match[4]), long_dtype(match[3]), attrs)


def _shape(text: str) -> tuple[Dim, ...] | None:
    if text == "...":
        return None
    return tuple(int(dim) if re.fullmatch(r"-?\d+", dim) else dim for dim in text.split(",") if dim)


def _nodes(inputs: list[Node], outputs: tuple[int, ...], lines: _Lines) -> Graph:
    nodes = list(inputs)
    while lines.peek().startswith("%"):
        line = lines.next()
        bodies: list[Graph] = []
        if line.endswith(" {"):
            line = line[:-2]
            while lines.peek() != "}":
                bodies.append(_graph(lines.next(), lines))
            lines.next()
        nodes.append(_node(line, tuple(bodies)))
    nodes.sort(key=lambda node: node.id)
    return Graph(tuple(nodes), tuple(node.id for node in inputs), outputs)


def _node(line: str, bodies: tuple[Graph, ...]) -> Node:
    match = _NODE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a node: {line!r}")
    shape, dtype = _shape(match[3]), long_dtype(match[2])
    facts: dict[str, Any] = {}
    args: list[int] = []
    attrs: dict[str, Attr] = {}
    for token in _TOKEN.findall(match[5]):
        if token.startswith("%"):
            args.append(int(token[1:]))
        elif token.startswith("~"):
            facts |= {"role": "gradient", "forward": int(token[2:]) if len(token) > 1 else None}
        elif token.startswith("{"):
            facts["constant"] = _constant(token[1:-1].split(), dtype, shape)
        elif token.startswith("#"):
            attrs["digest"] = token[1:]
        else:
            name, _, value = token.partition("=")
            attrs[name] = _attr(value)
    return Node(int(match[1]), match[4], tuple(args), shape, dtype, attrs, bodies=bodies, **facts)


def _constant(words: list[str], dtype: str, shape: tuple[Dim, ...] | None) -> Any:
    kind = np.dtype("float32" if dtype == "bfloat16" else dtype)
    values = [word == "True" for word in words] if kind.kind == "b" else [kind.type(word) for word in words]
    return np.array(values, kind).reshape([int(dim) for dim in shape or ()])


def _attr(text: str) -> Attr:
    value, rest = _attr_at(text)
    if rest:
        raise ValueError(f"not the value of an attribute: {text!r}")
    return value


def _attr_at(text: str) -> tuple[Attr, str]:
    if not text.startswith("("):
        match = re.match(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,()]+", text)
        if match is None:
            raise ValueError(f"not the value of an attribute: {text!r}")
        return _scalar(match[0]), text[match.end() :]
    items: list[Attr] = []
    rest = text[1:]
    while not rest.startswith(")"):
        item, rest = _attr_at(rest)
        items.append(item)
        rest = rest.removeprefix(",")
        if not rest:
            raise ValueError(f"an open bracket in {text!r}")
    return tuple(items), rest[1:]


def _scalar(text: str) -> Attr:
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    if text[0] in "'\"":
        return ast.literal_eval(text)
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text
