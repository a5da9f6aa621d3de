"""How a source file is read: its values come as dictionaries where the file has them so, and else as they are."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest.drop import parquet_file


@pytest.mark.parametrize(
    ("tags", "written_as", "read_as"),
    [
        (["T1", "T2"] * 500, {}, pa.dictionary(pa.int32(), pa.string())),
        ([f"T{tag:08}" for tag in range(1000)], {}, pa.string()),
        (["T1", "T2"] * 500, {"use_dictionary": False}, pa.string()),
        ([None] * 1000, {}, pa.dictionary(pa.int32(), pa.string())),
        ([], {}, pa.string()),
    ],
    ids=["repeated", "mostly distinct", "without a dictionary", "all null", "without rows"],
)
def test_only_values_that_repeat_come_as_a_dictionary(tmp_path, tags, written_as, read_as):
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"service_tag": pa.array(tags, pa.string())}), path, **written_as)
    with pa.OSFile(str(path)) as handle:
        rows = parquet_file(handle, pq.read_metadata(path)).read()
    assert rows.schema.field("service_tag").type == read_as
    assert rows["service_tag"].to_pylist() == tags
