import pytest

from services.sample.layout import Layout, Places, member, places

LAYOUTS = [
    Layout(rows=4_000, files=8, guests=(1, 1, 2), seed=3),
    Layout(rows=1_234, files=3, guests=(1, 1, 1, 1, 1, 2, 3), seed=4),
    Layout(rows=130, files=1, guests=(1, 1, 2), seed=5),
    Layout(rows=49, files=1, guests=(1, 1, 2), seed=6),
]


def rows_by_event(layout: Layout) -> dict[tuple[int, int], dict[int, tuple[int, int]]]:
    """(home file, slot) → role → (file, row)"""
    found: dict[tuple[int, int], dict[int, tuple[int, int]]] = {}
    for file in range(layout.files):
        shown = places(layout, file, 0, layout.rows_of(file))
        for row, (home, slot, role, _) in enumerate(zip(*(column.tolist() for column in shown), strict=True)):
            assert role not in found.setdefault((home, slot), {})
            found[home, slot][role] = (file, row)
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_event_has_its_own_row_and_those_of_its_guests(layout):
    for file in range(layout.files):
        shown = places(layout, file, 0, layout.rows_of(file))
        rows = rows_by_event(layout)
        for home, slot, guests in zip(shown.file.tolist(), shown.slot.tolist(), shown.guests.tolist(), strict=True):
            assert sorted(rows[home, slot]) == list(range(guests + 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_member_is_found_where_it_is_shown(layout):
    rows = rows_by_event(layout)
    for file in range(layout.files):
        shown = places(layout, file, 0, layout.rows_of(file))
        grouped = Places(*(column[shown.grouped] for column in shown))
        for role in range(layout.most_guests + 1):
            files, places_in_file = member(layout, grouped, role)
            for index, (home, slot) in enumerate(zip(grouped.file.tolist(), grouped.slot.tolist(), strict=True)):
                if role <= grouped.guests[index]:
                    assert rows[home, slot][role] == (files[index], places_in_file[index])


def test_a_run_of_rows_is_the_same_in_any_cut():
    layout = LAYOUTS[1]
    whole = places(layout, 1, 0, 411)
    for start, stop in ((0, 1), (1, 77), (77, 411)):
        for part, column in zip(places(layout, 1, start, stop), whole, strict=True):
            assert part.tolist() == column[start:stop].tolist()
