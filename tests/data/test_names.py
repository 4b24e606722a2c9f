"""When two spellings are one name, and patients who would leak by them."""

import pytest

from common.errors import InputError
from data.names import leading_zero_groups, name_fault, one_spelling, refuse_spellings, spelling_key
from data.pseudonyms import open_pseudonyms

SAME = [
    ("P01", "p01"),
    ("Jos\u00e9", "Jose\u0301"),
    ("P01", "P\u200b01"),
    ("P01", "\uff30\uff10\uff11"),
    ("P01", " P01\u00a0"),
    ("P 1", "P  1"),
    ("STRASSE", "stra\u00dfe"),
    ("P01", "P01\ufe0f"),
    ("P01", "P\u00ad01"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_spellings_of_one_name_are_refused_as_two_ids(first, second):
    assert spelling_key(first) == spelling_key(second)
    with pytest.raises(InputError, match="differ only in case, blanks or characters") as caught:
        refuse_spellings([first, "other", second], "manifest.csv", "patients")
    assert "manifest.csv" in str(caught.value)


def test_other_names_stay_apart():
    names = ["P01", "P1", "P-01", "P_01", "P.01", "Ω", "é", "e", "1", "01", "患者一"]
    assert len({spelling_key(name) for name in names}) == len(names)
    refuse_spellings(names, "m", "patients")


def test_leading_zeros_are_named():
    assert leading_zero_groups(["1", "01", "2", "P7", "P007", "10", "100"]) == [["1", "01"], ["P7", "P007"]]


def test_the_most_frequent_spelling_wins_unless_one_is_given():
    assert one_spelling({"Head": 1, "head": 3, "femur": 1}) == {"Head": "head", "head": "head", "femur": "femur"}
    assert one_spelling({"Head": 1, "head": 3}, preferred=["HEAD"]) == {"Head": "HEAD", "head": "HEAD"}


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\0", "x" * 10_000, "a\u2028b"])
def test_names_that_no_terminal_or_table_can_hold(name):
    assert name_fault(name)
    assert not name_fault("Zürich 超音波 🙂/1")


def test_pseudonyms_are_stable_salted_and_kept_apart(tmp_path):
    file = tmp_path / "map.json"
    first = open_pseudonyms(file, tmp_path / "out")
    given = [first.patient("P01"), first.recording("P01"), first.patient("P02")]
    first.save()
    assert len(set(given)) == 3 and not any("P0" in name for name in given)
    assert file.stat().st_mode & 0o077 == 0
    again = open_pseudonyms(file, tmp_path / "out")
    assert [again.patient("P01"), again.recording("P01"), again.patient("P02")] == given
    assert open_pseudonyms(tmp_path / "other.json", tmp_path / "out").patient("P01") != given[0]
    assert open_pseudonyms(None, tmp_path) is None


def test_a_map_inside_the_data_set_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="is to be kept apart"):
        open_pseudonyms(tmp_path / "out" / "map.json", tmp_path / "out")
    for content in ("{}", '{"salt": "", "patients": {}, "recordings": {}}', "[", '{"salt": 1}'):
        (tmp_path / "map.json").write_text(content)
        with pytest.raises(InputError, match=r"map\.json: can't be read .*pseudonymise"):
            open_pseudonyms(tmp_path / "map.json", tmp_path / "out")


def test_a_map_of_pseudonyms_lies_where_its_link_leads(tmp_path):
    (tmp_path / "safe").mkdir()
    (tmp_path / "map.json").symlink_to("safe/map.json")
    open_pseudonyms(tmp_path / "map.json", tmp_path / "out").save()
    assert (tmp_path / "map.json").is_symlink() and (tmp_path / "safe" / "map.json").is_file()
    assert open_pseudonyms(tmp_path / "map.json", tmp_path / "out").patient("a") != "a"
    (tmp_path / "other.json").symlink_to("gone/map.json")
    with pytest.raises(InputError, match="there is no folder"):
        open_pseudonyms(tmp_path / "other.json", tmp_path / "out")
