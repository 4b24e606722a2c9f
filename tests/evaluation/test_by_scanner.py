"""Which scanners are tables tell apart."""

from evaluation.by_scanner import scanners_of


def test_a_table_of_scanners_needs_several_and_begins_with_the_largest():
    counts = {"S10": {"n_frames": 4}, "E6": {"n_frames": 9}, "unknown": {"n_frames": 4}}
    assert scanners_of([{"per_scanner": counts}]) == ["E6", "S10", "unknown"]
    assert scanners_of([{"per_scanner": {"E6": {"n_frames": 9}}}]) == [] == scanners_of([{}])
