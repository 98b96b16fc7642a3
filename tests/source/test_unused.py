"""Settings that nothing reads, told from those that are read in an indirect way."""

from __future__ import annotations

from textwrap import dedent

import pytest

from lossdoctor.source.module import SourceModule
from lossdoctor.source.unused import unused_in_class, unused_in_factory


def factory(body: str, parameters: str = "gamma=2.0") -> list[str]:
    text = f"def make({parameters}):\n" + "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    return [unused.name for unused in unused_in_factory(SourceModule(text), "make")]


def loss(body: str, parameters: str = "gamma=2.0", base: str = "keras.losses.Loss") -> list[str]:
    methods = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    text = f"import keras\n\nclass Mine({base}):\n{methods}".replace("PARAMETERS", f"self, {parameters}")
    return [unused.name for unused in unused_in_class(SourceModule(text), "Mine")]


def test_a_setting_that_is_read_inside_is_used() -> None:
    assert factory("def loss(t, p):\n    return (t - p) ** gamma\nreturn loss") == []
    assert factory("return lambda t, p: (t - p) ** gamma") == []
    assert factory("def loss(t, p, gamma=gamma):\n    return (t - p) ** gamma\nreturn loss") == []


@pytest.mark.parametrize(
    "body",
    [
        "def loss(t, p):\n    return (t - p) ** GAMMA\nreturn loss",
        "def loss(t, p, gamma=3.0):\n    return (t - p) ** gamma\nreturn loss",  # hidden by the inner one
        "gamma = 3.0\ndef loss(t, p):\n    return t - p\nreturn loss",
    ],
)
def test_a_setting_that_nothing_reads_is_found(body: str) -> None:
    assert factory(body) == ["gamma"]


def test_interfaces_and_indirect_reads_are_left_in_peace() -> None:
    assert factory("def loss(t, p):\n    return t - p\nreturn loss", "name='x', axis=-1, _old=1") == []
    assert factory("options = locals()\ndef loss(t, p):\n    return options['gamma']\nreturn loss") == []
    assert factory("return gamma_free(1)") == []  # makes no function of its own


KEPT = "def __init__(PARAMETERS):\n    super().__init__()\n    self.gamma = gamma\n"


def test_an_attribute_that_only_get_config_reads_is_unused() -> None:
    config = "def get_config(self):\n    return {'gamma': self.gamma}\n"
    assert loss(KEPT + "def call(self, t, p):\n    return t - p\n" + config) == ["gamma"]
    assert loss(KEPT + "def call(self, t, p):\n    return (t - p) ** self.gamma\n" + config) == []


def test_a_class_with_another_base_may_read_it_there() -> None:
    assert loss(KEPT + "def call(self, t, p):\n    return t - p\n", base="Other") == []


def test_an_argument_that_is_handed_on_or_used_in_the_constructor_is_used() -> None:
    start = "def __init__(PARAMETERS):\n    super().__init__(name=str(gamma))\n"
    assert loss(start + "def call(self, t, p):\n    return t - p\n") == []
    start = "def __init__(PARAMETERS):\n    super().__init__()\n    self.half = gamma / 2\n"
    assert loss(start + "def call(self, t, p):\n    return t - p\n") == []
    assert loss("def __init__(PARAMETERS):\n    super().__init__()\ndef call(self, t, p):\n    return t - p\n") == [
        "gamma"
    ]


@pytest.mark.parametrize(
    ("call", "unused"),
    [
        ("power = (t - p) ** self.gamma\n    return t - p", True),
        ("power = tf.pow(t - p, self.gamma)\n    scaled = 2.0 * power\n    return t - p", True),
        ("power = tf.pow(t - p, self.gamma)\n    return t - power", False),
        ("update = self.mean.assign(self.gamma * p)\n    return t - p", False),
        ("self.last = self.gamma * p\n    return t - p", False),
        ("power = tf.pow(t - p, self.gamma)\n    def inner():\n        return power\n    return inner()", False),
    ],
)
def test_a_result_that_nothing_reads_is_no_use_of_a_setting(call: str, unused: bool) -> None:
    assert loss(KEPT + f"def call(self, t, p):\n    {call}\n") == (["gamma"] if unused else [])
