"""Each tensor of an exported file has a name of its own."""

from quantization.tensor_names import unique


def test_repeated_names_are_numbered_and_meet_no_other():
    assert unique(["a", "a", "a_1", "b", "a"]) == ["a", "a_2", "a_1", "b", "a_3"]
