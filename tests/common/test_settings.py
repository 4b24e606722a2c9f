"""A field that came later must not change what older settings are known by."""

import dataclasses

from common.settings import added, identity


@dataclasses.dataclass(frozen=True)
class First:
    rate: float = 0.1
    taps: tuple[str, ...] = ("a",)


@dataclasses.dataclass(frozen=True)
class Later(First):
    rest: float = added(8.0)


def test_an_added_field_counts_only_off_its_default():
    assert identity(Later()) == identity(First()) == {"rate": 0.1, "taps": ("a",)}
    assert identity(Later(rest=2.0)) == {"rate": 0.1, "taps": ("a",), "rest": 2.0}
    assert identity(Later(rate=0.2)) != identity(Later())


def test_an_added_field_can_be_set_like_any_other():
    assert Later(rest=1.0).rest == 1.0 and dataclasses.replace(Later(), rest=3.0).rest == 3.0
