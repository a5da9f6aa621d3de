"""A column of what JSON gave, however its rows come: nothing of what rules ask for is lost."""

from itertools import pairwise

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from services.clean.event_key import present
from services.clean.fields import Field

TEXTS = st.sampled_from(["", " ", "\u2003\n", "2024-05-08T10:00:00", "é" * 3, "\U0001f600", "\x1f"]) | st.text(
    max_size=4
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1, 1)
VALUES = TEXTS | SCALARS | st.sampled_from([[], {}, [1], {"a": None}])


def text_of(value):
    return orjson.dumps(value).decode()


@given(st.lists(VALUES, max_size=9) | st.lists(TEXTS | st.none(), max_size=9), st.data())
@example([None, 0, "é", False, [], "x"], None)
def test_a_column_holds_what_was_added(values, data):
    places = data.draw(st.lists(st.integers(0, len(values)), max_size=3)) if data else [1, 4]
    field, as_texts = Field(lambda value: ("kept", value)), Field(text_of)
    for start, stop in pairwise([0, *sorted(places), len(values)]):
        field.add(values[start:stop])
        as_texts.add(values[start:stop])
    column = field.column()
    assert column.texts.to_pylist() == [value if isinstance(value, str) else "" for value in values]
    assert column.others == {
        row: ("kept", value) for row, value in enumerate(values) if value is not None and not isinstance(value, str)
    }
    assert column.present.tolist() == [present(value) for value in values]
    texts = ["" if value is None else value if isinstance(value, str) else text_of(value) for value in values]
    assert as_texts.column().texts.to_pylist() == texts
    assert as_texts.column().others == {}
    assert as_texts.column().present.tolist() == [present(value) for value in values]
