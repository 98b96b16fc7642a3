r"""LaTeX as people write losses, translated into the notation of formulas by a small whitelist grammar.

`\frac{1}{n}\sum_{i=1}^{n} (y_i - \hat{y}_i)^2` becomes `mean((y_true - y_pred)**2, axis=-1)`: y and t are y_true;
\hat{y} and p are y_pred; indices are dropped, a sum runs over the last axis that is left. A sum takes the product
that follows it, as in print.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from lossdoctor.findings import UsageError

_TOKEN = re.compile(
    r"\\begin\{cases\}|\\end\{cases\}|\\\\|\\[A-Za-z]+|\\[,;:!|{} ]|\d+(?:\.\d+)?|[A-Za-z]|[{}()\[\]|^_+\-*/=<>,&'.]"
)
_SPACING = re.compile(
    r"(?<!\\)\\[,;:! ]|\\(?:left|right)\.|"
    r"\\(?:quad|qquad|left|right|bigl?|bigr|Bigl?|Bigr|displaystyle|limits)(?![A-Za-z])"
)
_FUNCTIONS = {
    "log": "log", "ln": "log", "exp": "exp", "tanh": "tanh", "cos": "cos", "cosh": "cosh", "arccos": "arccos",
    "sigma": "sigmoid", "max": "maximum", "min": "minimum",
}  # fmt: skip
_NAMED = frozenset({
    "sigmoid", "softplus", "softmax", "log_softmax", "logsumexp", "sign", "clip", "erf", "log1p", "expm1", "sgn",
    "relu", "lgamma", "where", "maximum", "minimum", "square", "sqrt", "abs", *_FUNCTIONS,
})  # fmt: skip
_TRUE, _PRED = "y_true", "y_pred"
_LETTERS = {"y": _TRUE, "t": _TRUE, "p": _PRED}
_WORDS = {"true": _TRUE, "pred": _PRED, "predicted": _PRED, "target": _TRUE}
_PLAIN = ("mathbf", "boldsymbol", "mathrm", "bm", "vec", "mathit", "text", "operatorname", "mathsf")
_HATS = ("hat", "widehat", "tilde", "bar")
_RELATIONS = {
    "<": "<", ">": ">", "=": "==", "\\le": "<=", "\\leq": "<=", "\\leqslant": "<=", "\\ge": ">=", "\\geq": ">=",
    "\\geqslant": ">=", "\\lt": "<", "\\gt": ">", "\\ne": "!=", "\\neq": "!=",
}  # fmt: skip
_COUNTS = ("n", "N", "m", "M", "d", "D", "k", "K", "C")  # of a sum that has no bound
_OPENERS = {"(": ")", "[": "]", "\\{": "\\}", "\\lbrack": "\\rbrack"}
_BARS = {"|": "|", "\\lvert": "\\rvert", "\\vert": "\\vert", "\\lVert": "\\rVert", "\\|": "\\|"}
_NORMS = ("\\lVert", "\\|")


@dataclass(frozen=True, slots=True)
class _Count:
    """The number of elements that a sum with this upper bound runs over."""

    name: str


@dataclass(frozen=True, slots=True)
class _Sum:
    bound: str  # "" without one
    body: str


# A translated factor: text, or one of the two that only the product around it can resolve.
_Factor = str | _Count | _Sum


def from_latex(text: str) -> str:
    """The formula that LaTeX says.

    Raises:
        UsageError: something that is not in the grammar.
    """
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text.strip().strip("$").strip()
        plain = _SPACING.sub(" ", self.text)
        rest = _TOKEN.sub("", plain).strip()
        if rest:
            self.refuse(f"LaTeX maths, without `{rest.split()[0][:20]}`")
        self.tokens = _TOKEN.findall(plain)
        self.place = 0
        self.bars: list[str] = []
        self.used: list[str] = []  # indices outside of the sums over them
        self.summed: list[str] = []  # indices of sums
        self.bounds = set(re.findall(r"\\sum(?:_\{[^{}]*\}|_.)?\^\{?\s*([A-Za-z])\s*\}?", plain))
        if not self.bounds and "\\sum" in plain:
            self.bounds = set(_COUNTS)  # "\frac{1}{n}\sum_i": the sum does not say how far it goes

    def whole(self) -> str:
        # "L(y, \hat{y}) = …" names what follows.
        level, equals = 0, -1
        for place, token in enumerate(self.tokens):
            level += (token in "{([") - (token in "})]") if len(token) == 1 else token.startswith("\\begin")
            if token == "=" and level == 0:
                equals = place
                break
        self.place = equals + 1
        made = self.additive()
        if self.peek(".") or self.peek(","):
            self.place += 1  # the end of a sentence
        if self.place < len(self.tokens):
            self.refuse(f"an operator before `{''.join(self.tokens[self.place :])[:30]}`")
        return made

    # ---- tokens ----------------------------------------------------------------------------------------------

    def peek(self, *wanted: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place] in wanted

    def take(self, *wanted: str) -> str:
        if self.place >= len(self.tokens) or (wanted and self.tokens[self.place] not in wanted):
            found = self.tokens[self.place] if self.place < len(self.tokens) else "the end"
            self.refuse(f"`{wanted[0] if wanted else 'more'}` instead of `{found}`")
        self.place += 1
        return self.tokens[self.place - 1]

    def refuse(self, expected: str) -> NoReturn:
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "…"
        raise UsageError(f"Invalid value for `formula`. Expected {expected}. Received: {shown}")

    # ---- grammar ---------------------------------------------------------------------------------------------

    def additive(self) -> str:
        made = ""
        if self.peek("-", "+"):
            made = "-" if self.take() == "-" else ""
        summed = set[str]()
        while True:
            used, sums = len(self.used), len(self.summed)
            made += self.term()
            if summed & set(self.used[used:]):
                self.refuse("parentheses around all that a sum takes (a later term has its index too)")
            summed |= set(self.summed[sums:])
            if not self.peek("+", "-"):
                return made
            made += f" {self.take()} "

    def term(self) -> str:
        above: list[_Factor] = [*self.factor()]
        below: list[_Factor] = []
        while True:
            if self.peek("\\cdot", "\\times", "*", "\\odot"):
                self.place += 1
                above += self.factor()
            elif self.peek("/"):
                self.place += 1
                below += self.factor()
            elif self.starts():
                above += self.factor()
            else:
                return self.product(above, below)

    def product(self, above: list[_Factor], below: list[_Factor]) -> str:
        """Counts below sums of the same bound make means."""
        counts = [one.name for one in below if isinstance(one, _Count)]
        top: list[str] = []
        for one in above:
            if isinstance(one, _Sum):
                found = self.counted(one.bound, counts)
                body = self.unfolded(one.body, counts)
                top.append(f"{'mean' if found else 'sum'}({body}, axis=-1)")
            else:
                top.append(self.count() if isinstance(one, _Count) else one)
        bottom = [one for one in below if isinstance(one, str)] + [self.count() for _ in counts]
        if isinstance(next((one for one in below if isinstance(one, _Sum)), None), _Sum):
            self.refuse("parentheses around a sum in a denominator")
        made = "*".join(top) if top != ["1"] or not bottom else "1"
        return made + "".join(f"/{one}" for one in bottom)

    def unfolded(self, body: str, counts: list[str]) -> str:
        """A sum within a sum takes its count from the same denominator."""
        match = re.match(r"sum<(\w?)>\((.*)\)$", body, re.DOTALL)
        if match is None:
            return body
        found = self.counted(match[1], counts)
        return f"{'mean' if found else 'sum'}({self.unfolded(match[2], counts)}, axis=-1)"

    @staticmethod
    def counted(bound: str, counts: list[str]) -> bool:
        """Take the count of a sum out of a denominator; any, where the sum has no bound."""
        if bound in counts or (not bound and counts):
            counts.remove(bound or counts[0])
            return True
        return False

    def count(self) -> str:
        return "sum(0*y_pred + 1, axis=-1)"

    def starts(self) -> bool:
        """Whether the next token begins a factor."""
        if self.place >= len(self.tokens):
            return False
        token = self.tokens[self.place]
        if token in _BARS:
            return not (self.bars and self.bars[-1] == token)
        if token.startswith("\\") and len(token) > 1 and token[1].isalpha():
            return token not in _RELATIONS and token not in (*_BARS.values(), "\\end{cases}", "\\text", "\\rbrack")
        return token in _OPENERS or token == "{" or token.isalnum() or token[0].isdigit()

    def factor(self) -> list[_Factor]:
        made = self.base()
        if isinstance(made, list):
            return made
        if isinstance(made, _Sum):
            return [made]
        if self.peek("'"):
            self.refuse("\\hat{y} for the prediction")
        if self.peek("^"):
            power = self.power()
            if power is not None:
                if isinstance(made, _Count):
                    made = self.count()
                norm = re.fullmatch(r"sqrt\((sum\(.*, axis=-1\))\)", made)
                made = norm[1] if norm and power == "2" else f"{_held(made)}**{_held(power)}"
        return [made]

    def power(self) -> str | None:
        """An exponent; None for an index such as ^{(i)} and for a transposition."""
        self.take("^")
        if self.peek("{") and self.tokens[self.place + 1 : self.place + 2] == ["("]:
            inside = self.tokens[self.place + 2 : self.place + 5]
            if len(inside) == 3 and len(inside[0]) == 1 and inside[0].isalpha() and inside[1:] == [")", "}"]:
                self.place += 5
                return None
        return self.group()

    def group(self) -> str:
        """What stands in braces, or one token."""
        if self.peek("{"):
            self.take("{")
            made = self.additive()
            self.take("}")
            return made
        factors = self.base()
        return (
            factors
            if isinstance(factors, str)
            else self.product(factors if isinstance(factors, list) else [factors], [])
        )

    def raw(self) -> str:
        """The text in braces, or one token, as it stands."""
        if not self.peek("{"):
            return self.take()
        self.take("{")
        level, parts = 1, list[str]()
        while True:
            token = self.take()
            level += (token == "{") - (token == "}")
            if not level:
                return "".join(parts)
            parts.append(token)

    def base(self) -> _Factor | list[_Factor]:
        token = self.take()
        if token[0].isdigit():
            return token
        if token in _OPENERS or token == "{":
            outer, self.bars = self.bars, []
            made = self.additive()
            self.bars = outer
            self.take(_OPENERS.get(token, "}"))
            return f"({made})"
        if token in _BARS:
            self.bars.append(_BARS[token])
            made = self.additive()
            self.bars.pop()
            self.take(_BARS[token])
            if token in _NORMS:
                self.subscript()
                return f"sqrt(sum(({made})**2, axis=-1))"
            return f"abs({made})"
        if token == "\\begin{cases}":
            return self.cases()
        if len(token) == 1 and token.isalpha():
            return self.letter(token)
        return self.command(token.removeprefix("\\"), token)

    def letter(self, letter: str, hat: bool = False) -> _Factor:
        index = self.subscript()
        self.used += [index] if len(index) == 1 else []
        word = re.sub(r"\\(text|mathrm)|[{}]", "", index)
        if word in _WORDS and letter == "y":
            return _WORDS[word]
        if hat:
            if letter in ("y", "p"):
                return _PRED
        elif letter in _LETTERS:
            return _LETTERS[letter]
        elif letter in self.bounds:
            return _Count(letter)
        elif letter == "e" and not index:
            return f"exp({self.power()})" if self.peek("^") else "e"
        shown = f"\\hat{{{letter}}}" if hat else letter
        return self.refuse(f"y or t for y_true, \\hat{{y}} or p for y_pred, and numbers for constants, not `{shown}`")

    def subscript(self) -> str:
        if not self.peek("_"):
            return ""
        self.take("_")
        return self.raw()

    def command(self, name: str, token: str) -> _Factor | list[_Factor]:
        if name in _HATS:
            inner = re.sub(r"\\(?:mathbf|boldsymbol|bm|vec|mathrm)|[{}]", "", self.raw())
            return self.letter(inner[:1], hat=True)
        if name == "pi":
            return "pi"
        if name in ("frac", "tfrac", "dfrac"):
            return self.fraction()
        if name == "sqrt":
            if self.peek("["):
                self.take("[")
                degree = self.additive()
                self.take("]")
                return f"({self.group()})**(1/({degree}))"
            return f"sqrt({self.group()})"
        if name == "sum":
            return self.sum()
        if name in _PLAIN:
            inner = self.raw().replace("\\_", "_")
            if len(inner) == 1:
                return self.letter(inner)
            name = inner
        elif name not in _FUNCTIONS:
            self.refuse(f"one of \\frac, \\sqrt, \\sum, \\log, \\exp, \\hat, |…|, cases and functions, not `{token}`")
        if name not in _NAMED:
            self.refuse(f"a known function, not `{name}`")
        return self.function({**_FUNCTIONS, "sgn": "sign"}.get(name, name))

    def fraction(self) -> list[_Factor]:
        """Numerator, and the denominator as a divisor, so that a count meets its sum."""
        self.split()
        above = self.group()
        self.split()
        braced = self.peek("{")
        self.place += braced
        below: list[_Factor] = []
        if braced:
            while self.peek(*self.bounds):
                below.append(_Count(self.take()))
            if not self.peek("}"):
                rest = self.additive()
                below.append(_held(rest))
            self.take("}")
        else:
            base = self.base()
            below += base if isinstance(base, list) else [base]
        counts = [one for one in below if isinstance(one, _Count)]
        plain = [one for one in below if isinstance(one, str)]
        whole = _held(above) + "".join(f"/{one}" for one in plain)
        if not counts:
            return [f"({whole})" if plain else whole]
        following = self.factor() if self.starts() or (self.peek("\\cdot") and self.take("\\cdot")) else []
        made = self.product([*([] if above.strip() == "1" and not plain else [whole]), *following], list(counts))
        return [made if not made.startswith("/") else f"1{made}"]

    def split(self) -> None:
        """frac12 is one half: without braces TeX takes single digits."""
        if self.place < len(self.tokens) and len(self.tokens[self.place]) > 1 and self.tokens[self.place].isdigit():
            digits = self.tokens[self.place]
            self.tokens[self.place : self.place + 1] = [digits[0], digits[1:]]

    def sum(self) -> _Sum:
        index = self.subscript()[:1]
        used = len(self.used)
        bound = ""
        if self.peek("^"):
            self.take("^")
            bound = self.raw().strip()
        if self.peek("\\sum"):
            self.take("\\sum")
            inner = self.sum()
            body = f"sum<{inner.bound}>({inner.body})"
        else:
            body = self.term()
        self.used[used:] = [one for one in self.used[used:] if one != index]
        self.summed.append(index)
        return _Sum(bound if len(bound) == 1 else "", body)

    def function(self, name: str) -> str:
        divisor = power = ""
        if name == "log" and self.peek("_"):
            divisor = f"/log({self.subscript().strip('{}')})"
        if self.peek("^"):
            power = f"**{_held(self.group_after_power())}"
        if self.peek(*_OPENERS, "{"):
            closing = {**_OPENERS, "{": "}"}[self.take()]
            outer, self.bars = self.bars, []
            arguments = [self.additive()]
            while self.peek(","):
                self.take(",")
                arguments.append(self.additive())
            self.bars = outer
            self.take(closing)
        else:
            found = self.factor()
            arguments = [self.product(found, [])]
        if name in ("maximum", "minimum") and len(arguments) == 1:
            made = f"{name[:3]}({arguments[0]}, axis=-1)"
        elif name == "cosh":
            made = f"((exp({arguments[0]}) + exp(-({arguments[0]})))/2)"
        elif name == "relu":
            made = f"maximum({arguments[0]}, 0)"
        elif name == "logsumexp":
            made = f"logsumexp({arguments[0]}, axis=-1)"
        else:
            made = f"{name}({', '.join(arguments)})"
        return f"({made}{power}{divisor})" if power or divisor else made

    def group_after_power(self) -> str:
        self.take("^")
        return self.group()

    def cases(self) -> str:
        rows: list[tuple[str, str]] = []
        while not self.peek("\\end{cases}"):
            value = self.additive()
            if self.peek(","):
                self.take(",")
            condition = ""
            if self.peek("&"):
                self.take("&")
                condition = self.condition()
            rows.append((value, condition))
            if self.peek("\\\\"):
                self.take("\\\\")
        self.take("\\end{cases}")
        if not rows or any(not condition for _, condition in rows[:-1]):
            self.refuse("a condition after & in every row of cases but the last")
        made = rows[-1][0]  # the last row holds where no other does
        for value, condition in reversed(rows[:-1]):
            made = f"where({condition}, {value}, {made})"
        return made

    def condition(self) -> str:
        while self.peek("\\text", "\\mathrm", "\\textrm", "\\textbf"):
            self.take()
            word = self.raw().strip().lower()
            if word in ("otherwise", "else", "otherwise."):
                self.skip_to_row()
                return ""
        made = self.additive()
        chain = ""
        while self.peek(*_RELATIONS):
            relation = _RELATIONS[self.take()]
            other = self.additive()
            chain += f"{' * ' if chain else ''}(({made}) {relation} ({other}))"
            made = other
        if not chain:
            self.refuse("a comparison after & in cases")
        self.skip_to_row()
        return chain

    def skip_to_row(self) -> None:
        if self.peek(",", "."):
            self.take()


def _held(text: str) -> str:
    """In parentheses, unless it is one thing."""
    if re.fullmatch(r"[\w.]+|\w*\([^()]*\)", text):
        return text
    return f"({text})"
