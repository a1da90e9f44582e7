import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.preparation.windowing import _numbered

TEXTS = st.none() | st.sampled_from(["", "a", "b", "ab", "|"])


def table_of(rows, width, cut):
    """The rows as columns of texts, in two chunks where there is something to cut."""
    columns = [[row[place] for row in rows] for place in range(width)]
    chunks = [pa.chunked_array([part for part in (c[:cut], c[cut:]) if part], type=pa.string()) for c in columns]
    return pa.table(chunks, names=[f"key_{place}" for place in range(width)])


@given(st.data(), st.integers(1, 3))
def test_rows_of_texts_have_equal_numbers_where_they_are_equal_and_minus_one_where_a_text_is_missing(data, width):
    rows = st.lists(st.tuples(*[TEXTS] * width), max_size=12)
    events, askers = data.draw(rows), data.draw(rows)

    cut = data.draw(st.integers(0, 12))
    numbers = _numbered(table_of(events, width, cut), table_of(askers, width, cut)).tolist()

    both = events + askers
    assert len(numbers) == len(both)
    for row, number in zip(both, numbers, strict=True):
        assert (number == -1) == (None in row)
        if number != -1:
            assert [other == number for other in numbers] == [other == row for other in both]
