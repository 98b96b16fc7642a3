"""Demonstrations that make the loss anew, with other settings, or look at what it keeps.

As those of `search.demonstrations`, each gives the body of `def fault() -> bool`.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from lossdoctor.search.calling import Arguments, Demonstration, assignable, called
from lossdoctor.spec import Contract


def setting_unused(contract: Contract, arguments: Arguments) -> str:
    """The loss, made with one value of a setting and with another: `makes` are the two expressions."""
    first, second = (str(make) for make in arguments["makes"])
    return dedent(f"""\
        one = np.asarray(_module.{first}(y_true, y_pred), "float64")
        other = np.asarray(_module.{second}(y_true, y_pred), "float64")
        print("{first}:", one.ravel()[:3], " {second}:", other.ravel()[:3])
        return one.shape == other.shape and bool(np.all(one == other))
        """)


def setting_lost(contract: Contract, arguments: Arguments) -> str:
    """What the loss has for a setting (`argument`) that it was given (`value`)."""
    name, value = str(arguments["argument"]), arguments["value"]
    return dedent(f"""\
        kept = type(_loss)({name}={value!r}).{name}
        print(f"made with {name}={value!r}, it has {name}={{kept!r}}")
        return kept != {value!r}
        """)


def drawn_at_import(contract: Contract, arguments: Arguments) -> str:
    """The defaults of the loss (`function`, from the module), when its file is read once and once more."""
    function = str(arguments["function"])
    return dedent(f"""\
        import importlib.util

        again = importlib.util.module_from_spec(_module.__spec__)
        _module.__spec__.loader.exec_module(again)
        first, second = (list(map(repr, one.{function}.__defaults__ or ())) for one in (_module, again))
        print("defaults when the file is read:", *first, " read again:", *second)
        return first != second
        """)


def list_grows(contract: Contract, arguments: Arguments) -> str:
    """The length of a list (`name`, `holder`) before and after two eager calls."""
    kept = assignable(str(arguments["holder"]), str(arguments["name"]))
    return dedent(f"""\
        def length():
            try:
                return len({kept})
            except AttributeError:
                return 0

        before = length()
        {called(arguments)}(y_true, y_pred)
        {called(arguments)}(y_true, y_pred)
        print(f"the list has {{before}} entries, and {{length()}} after two calls")
        return length() > before
        """)


# By symptom, as `search.demonstrations.DEMONSTRATIONS`.
SETTINGS: Mapping[str, tuple[str, Demonstration]] = {
    "setting-unused": ("a setting changes nothing", setting_unused),
    "setting-lost": ("a setting is not kept", setting_lost),
    "drawn-at-import": ("a default is drawn when the file is read", drawn_at_import),
    "list-grows": ("the loss fills a list", list_grows),
}
