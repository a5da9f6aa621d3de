from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from services.sample.drop import SampleSpec, write_drop

WEEKS = ("2024-05-10", "2024-05-17")


def spec(**changes) -> SampleSpec:
    return SampleSpec(**{"rows": 3_001, "weeks": WEEKS, "devices": 40, "seed": 5, "files": 4, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_spec_gives_the_same_bytes_whatever_the_workers(tmp_path):
    for workers in (1, 2):
        write_drop(spec(), tmp_path / f"{workers}" / "source", tmp_path / f"{workers}" / "answers", workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_another_seed_gives_another_drop(tmp_path):
    for seed in (1, 2):
        write_drop(spec(seed=seed, weeks=WEEKS[:1]), tmp_path / f"{seed}", None, 1)
    assert contents(tmp_path / "1").keys() == contents(tmp_path / "2").keys()
    assert contents(tmp_path / "1") != contents(tmp_path / "2")


def test_a_week_is_the_same_alone_and_among_others(tmp_path):
    write_drop(spec(), tmp_path / "both", None, 1)
    write_drop(spec(weeks=WEEKS[1:]), tmp_path / "alone", None, 1)
    assert contents(tmp_path / "both" / WEEKS[1]) == contents(tmp_path / "alone" / WEEKS[1])


def test_nothing_but_the_drop_and_its_answers_is_left(tmp_path):
    paths = write_drop(spec(), tmp_path / "source", tmp_path / "answers", 1)
    parts = [f"{week}/part-00{file}.parquet" for week in WEEKS for file in range(4)]
    assert list(contents(tmp_path / "source")) == parts
    assert paths == [tmp_path / "source" / part for part in parts]
    assert list(contents(tmp_path / "answers")) == [f"{week}.parquet" for week in WEEKS]


@pytest.mark.parametrize(
    ("rows", "files", "expected"),
    [(3_001, 4, [751, 750, 750, 750]), (3, 4, [1, 1, 1, 0]), (0, 2, [0, 0]), (200_003, 2, [100_002, 100_001])],
)
def test_every_row_that_was_asked_for_is_there_once_with_its_answer(tmp_path, rows, files, expected):
    asked = spec(rows=rows, files=files, weeks=WEEKS[:1])
    paths = write_drop(asked, tmp_path / "source", tmp_path / "answers", 1)
    assert [pq.read_metadata(path).num_rows for path in paths] == expected
    answers = pq.read_table(tmp_path / "answers" / "2024-05-10.parquet")
    rows_of_answers = list(zip(answers["source_file"].to_pylist(), answers["source_row"].to_pylist(), strict=True))
    assert rows_of_answers == [
        (path.name, row) for path, count in zip(paths, expected, strict=True) for row in range(count)
    ]


def test_columns_are_those_of_a_source(tmp_path):
    path, *_ = write_drop(spec(), tmp_path, None, 1)
    schema = pq.read_schema(path)
    assert schema.names == ["service_tag", "pn", "cat", "ev", "ts", "eventdate", "os_version", "bios"]
    assert schema.types == [pa.string()] * 5 + [pa.int64()] + [pa.string()] * 2


def test_an_event_is_about_three_hundred_bytes(tmp_path):
    path, *_ = write_drop(spec(), tmp_path, None, 1)
    lengths = pc.binary_length(pq.read_table(path)["ev"].cast(pa.binary()))
    assert 250 < pc.approximate_median(lengths).as_py() < 350


def test_progress_tells_the_rows_of_each_week(tmp_path):
    told = []
    write_drop(spec(), tmp_path, None, 1, lambda week, rows: told.append((week, rows)))
    assert told == [(week, rows) for week in WEEKS for rows in (751, 1_501, 2_251, 3_001)]


def test_a_file_that_is_no_part_of_the_sample_stops_it(tmp_path):
    write_drop(spec(files=5), tmp_path, None, 1)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r"part-004.parquet"):
        write_drop(spec(), tmp_path, None, 1)
    assert contents(tmp_path) == before


def test_file_names_sort_as_their_numbers(tmp_path):
    paths = write_drop(spec(files=1_001, rows=0, weeks=WEEKS[:1]), tmp_path, None, 1)
    assert [paths[0].name, paths[-1].name] == ["part-0000.parquet", "part-1000.parquet"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rows": -1}, "rows is -1"),
        ({"files": 0}, "files is 0"),
        ({"devices": 0}, "devices is 0"),
        ({"weeks": ("20240510",)}, "'20240510' is not a calendar date"),
        ({"weeks": ("2024-02-30",)}, "'2024-02-30' is not a calendar date"),
        ({"weeks": ("1999-05-10",)}, "'1999-05-10' is not from 2019 to 2095"),
        ({"weeks": WEEKS[::-1]}, "ascending"),
    ],
)
def test_a_spec_that_makes_no_drop_says_why(changes, fault):
    with pytest.raises(ValueError, match=fault):
        spec(**changes)
