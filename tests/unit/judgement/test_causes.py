"""Where a change comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.manifest import UnusableTime
from services.judgement.causes import Cause, cause_text, causes
from tests.weeks import counts, facts

BEFORE, NOW = "2024-05-10", "2024-05-17"


def _shares(found, dimension):
    return {cause.name: cause.share for cause in found if cause.dimension == dimension}


def test_a_rise_is_shared_out_over_products_by_what_each_added():
    # before: 7 % everywhere; now L5 has 21 % and I13 10.5 %, of 14 % + 1.75 % …
    before = facts(BEFORE, {"I13": counts(50_000), "L5": counts(50_000)})
    now = facts(NOW, {"I13": counts(50_000, resends=0.10), "L5": counts(50_000, resends=0.16)})
    assert _shares(causes("duplicate_ratio", now, before), "pn") == {"L5": 0.75, "I13": 0.25}


def test_a_file_is_blamed_for_what_it_holds_beyond_the_usual():
    before = facts(BEFORE)
    files = {"a.parquet": counts(50_000, resends=0.07), "b.parquet": counts(50_000, resends=0.27)}
    now = facts(NOW, {"I13": sum(files.values(), counts(0))}, files)
    assert _shares(causes("duplicate_ratio", now, before), "file") == {"b.parquet": 1.0}


def test_a_single_file_explains_nothing():
    assert _shares(causes("duplicate_ratio", facts(NOW, {"I13": counts(resends=0.2)}), facts(BEFORE)), "file") == {}


def test_clock_faults_are_named_by_candidate_and_year():
    before = facts(BEFORE, unusable=(UnusableTime("ev.TimeStamp", 1970, 1_700),))
    now = facts(
        NOW,
        {"I13": counts(invalid_timestamp=0.117)},
        unusable=(UnusableTime("ev.TimeStamp", 1970, 11_700), UnusableTime("ts", None, 10)),
    )
    found = causes("invalid_timestamp_ratio", now, before)
    assert _shares(found, "timestamp_source") == {"ev.TimeStamp in the year 1970": 1.0}


def test_a_size_is_shared_out_by_rows_and_the_rest_is_their_size():
    before = facts(BEFORE, {"I13": counts(50_000), "L5": counts(50_000)})
    now = facts(NOW, {"I13": counts(50_000), "L5": counts(100_000)}, raw_bytes=20_000_000)
    found = causes("raw_bytes", now, before)  # +10 MB, of which 50,000 rows of 100 bytes are a half
    assert _shares(found, "pn") == {"L5": 0.5}
    assert _shares(found, "row_size") == {"bytes a row": 0.5}


def test_a_file_that_did_not_come_explains_the_fall_whatever_the_date_in_its_name():
    part = counts(50_000)
    before = facts(BEFORE, {"I13": part + part}, {f"{BEFORE}_a.parquet": part, f"{BEFORE}_b.parquet": part})
    now = facts(NOW, {"I13": part}, {f"{NOW}_a.parquet": part})
    assert _shares(causes("raw_bytes", now, before), "file") == {"…_b.parquet": 1.0}


def test_quarantine_and_skipped_files_name_reason_and_file():
    refused = facts(NOW, quarantined={"bad_pn": 300, "no_service_tag": 100})
    assert _shares(causes("quarantined_ratio", refused, facts(BEFORE)), "reason") == {
        "bad_pn": 0.75,
        "no_service_tag": 0.25,
    }
    skipped = facts(NOW, skipped={"b.parquet": "no footer"})
    assert causes("skipped_files", skipped, None) == (Cause("file", "b.parquet", 1.0),)


def test_the_text_names_the_largest_of_each_dimension():
    found = (Cause("pn", "L5", 0.72), Cause("pn", "I13", 0.2), Cause("file", "b.parquet", 0.7))
    assert cause_text(found, "rise") == "72 % of the rise comes from pn=L5, 70 % from file=b.parquet"
    assert cause_text(found[:1], None) == "72 % of it comes from pn=L5"
    assert cause_text((), "rise") == ""


def test_a_text_is_of_bounded_length_whatever_the_names():
    assert len(cause_text((Cause("file", "x" * 5000, 1.0),), "fall")) == 200


@pytest.mark.parametrize("figure", ["duplicate_ratio", "error_ratio", "invalid_timestamp_ratio"])
@given(data=st.data())
def test_shares_of_products_add_up_to_the_change(figure, data):
    part = st.builds(
        lambda rows, resends, errors, late: counts(rows, resends=resends, errors=errors, invalid_timestamp=late),
        st.integers(1, 100_000),
        st.floats(0, 0.4),
        st.floats(0, 0.4),
        st.floats(0, 0.4),
    )
    pns = st.dictionaries(st.sampled_from("ABCDE"), part, min_size=1)
    before, now = facts(BEFORE, data.draw(pns)), facts(NOW, data.draw(pns))
    change = now.figures().get(figure, 0) - before.figures().get(figure, 0)
    found = _shares(causes(figure, now, before), "pn")
    if change and now.figures():
        assert sum(found.values()) >= 1 - 5 * 0.05 - 0.01  # all but the parts that explain less than 5 % each
        assert all(share >= 0.05 for share in found.values())
