import csv
import io

import pytest
from _tables import cell_problem, columns_of, nearest, read_table, suggest_from
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = {
    "required": ["name"],
    "properties": {
        "name": {"description": "letters only", "pattern": "^[a-z]+$"},
        "kind": {"description": "which kind", "enum": ["big", "small"], "default": "small"},
        "note": {"description": "anything"},
    },
}
FREE = {"properties": {column: {"description": "anything"} for column in ("name", "kind", "note")}}


def read(tmp_path, text, schema=SCHEMA):
    path = tmp_path / "table.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    rows, problems = read_table(path, schema)
    return rows, [problem.removeprefix(str(path)) for problem in problems]


@pytest.mark.parametrize(
    "text",
    [
        "name\tkind\tnote\na\tbig\tx y\n",
        "name\tkind\tnote\r\na\tbig\tx y\r\n",
        "name\tkind\tnote\ra\tbig\tx y\r",
        "\ufeffname\tkind\tnote\r\na\tbig\tx y",
        '"name"\t"kind"\tnote\n"a"\t"big"\t"x y"\n',
        " name \tkind\tnote\t\t\n a\tbig\t x y \t\t\n\t\t\n",
        '# a note "\n\nname\tkind\tnote\n\n#\ta\tb\n"# ""quoted"""\na\tbig\tx y\n   \n',
        "note\tname\tkind\nx y\ta\tbig\n",
    ],
)
def test_reads_a_table_however_an_editor_or_a_spreadsheet_wrote_it(tmp_path, text):
    rows, problems = read(tmp_path, text)
    assert problems == []
    assert rows == [{"name": "a", "kind": "big", "note": "x y"}]


def test_numbers_rows_as_an_editor_does_and_fills_defaults_in(tmp_path):
    rows, problems = read(tmp_path, "# note\nname\tkind\n\na\t\n#\nb\tbig\n")
    assert problems == []
    assert [(row.number, row["kind"], row["note"]) for row in rows] == [(4, "small", ""), (6, "big", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ": the file is empty; its first row names the columns name, [kind], [note]"),
        (b"\xef\xbb\xbf\r\n\r\n# note\r\n", ": the file is empty; its first row names"),
        ("name\tkind\n".encode("utf-16"), ": the file is not UTF-8 but UTF-16"),
        ("name\tkind\n".encode("utf-16-le"), ": the file is not UTF-8 but UTF-16"),
        (b"PK\x03\x04\x14\x00", ": the file is a spreadsheet, not text; save it as tab-separated text in UTF-8"),
        (b"name\r\na\r\n\xb5\r\n", ", row 3: byte 0xb5 is not UTF-8; save it as tab-separated text in UTF-8"),
        (
            "name,kind,note\na,big,x\n",
            ", row 1: only one column found ('name,kind,note'); separate the",
        ),
        (
            "name  kind\na  big\n",
            ", row 1: only one column found ('name  kind'); separate the columns with one tab each",
        ),
        ("name kind\tnote\na\tb\n", ", row 1, column name kind: spaces stand where a tab should"),
        ("name\tname\tkind\n", ", row 1, column name: the column is there twice; remove one"),
        ("name\tkinds\n", ", row 1, column kinds: no such column; did you mean kind? (known: name, kind, note)"),
        ("name\tcolour\n", ", row 1, column colour: no such column; known: name, kind, note"),
        (
            "liver_1\tbig\tx\ty\nliver_2\tbig\tx\ty\n",
            ", row 1: no column is known of 'liver_1', 'big', 'x', ...; the first row names the columns name, [kind",
        ),
        ("name\t\tkind\n", ", row 1, column 2: no such column; known: name, kind, note"),
        ("kind\tnote\n", ", row 1: the column name is missing; add it"),
        ("name\tkind\na  big\n", ", row 2: 1 cell for 2 columns; spaces probably stand where a tab should in 'a  big'"),
        ("name\tkind\na\n", ", row 2: 1 cell for 2 columns; give every column one cell (it may be empty)"),
        ("name\tkind\na\tbig\tx\n", ", row 2: 3 cells for 2 columns; give every column one cell"),
        ('name\tkind\n"a\tbig\n', ', row 2: a quoted cell does not end where its quotes (") do; close the quotes'),
        ('name\tkind\n"a"a\tbig\n', ', row 2: a quoted cell does not end where its quotes (") do; close the quotes'),
        ("name\tkind\n\tbig\n", ", row 2, column name: the cell is empty; fill it in"),
        ("name\tkind\na b\tbig\n", ", row 2, column name: 'a b' is not allowed; letters only"),
        ("name\tkind\na\u200bb\tbig\n", ", row 2, column name: 'a\\u200bb' has the invisible character U+200B in it;"),
        ("name\tkind\na\tBig\n", ", row 2, column kind: 'Big' is not allowed; did you mean big? (known: big, small)"),
    ],
)
def test_says_what_is_wrong_and_what_to_do(tmp_path, text, expected):
    _, (problem,) = read(tmp_path, text)
    assert problem.startswith(expected)


def test_finds_all_mistakes_at_once_in_the_order_of_the_rows(tmp_path):
    rows, problems = read(tmp_path, 'name\tkind\nA\tbig\nb\n"c\n\thuge\nd\t\n')
    assert [problem[:8] for problem in problems] == [", row 2,", ", row 3:", ", row 4:", ", row 5,", ", row 5,"]
    assert rows[-1] == {"name": "d", "kind": "small", "note": ""}


def test_a_missing_file_and_a_folder_are_named_with_the_remedy(tmp_path):
    assert read_table(tmp_path / "none.tsv", SCHEMA)[1] == [
        f"{tmp_path}/none.tsv: there is no such file; create it with the columns name, [kind], [note]"
    ]
    assert "it cannot be read (Is a directory)" in read_table(tmp_path, SCHEMA)[1][0]


# Line breaks end a row in every spelling; blanks around a cell do not count.
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n")).map(str.strip)
ROW = st.tuples(CELL.filter(lambda cell: not cell.startswith("#")), CELL, CELL).filter(any)
BETWEEN = st.lists(st.sampled_from(["", "# a note", '"# quoted"', "\t\t", "#\t\t\t"]), max_size=2)


@settings(deadline=None)
@given(
    cells=st.lists(ROW, max_size=6),
    between=BETWEEN,
    bom=st.sampled_from(["", "\ufeff"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_table_is_read_back_as_it_was_written(cells, between, bom, end, quoting, tmp_path_factory):
    text = io.StringIO()
    table = csv.writer(text, "excel-tab", lineterminator=end, quoting=quoting)
    for row in [("name", "kind", "note"), *cells]:
        text.write("".join(line + end for line in between))
        table.writerow(row)
    rows, problems = read(tmp_path_factory.mktemp("table"), bom + text.getvalue(), FREE)
    assert problems == []
    assert [tuple(row.values()) for row in rows] == cells


@settings(deadline=None)
@given(data=st.one_of(st.binary(), st.text('name\tkind \n\r"#\ufeff\x85').map(str.encode)))
def test_no_file_crashes_the_reader(data, tmp_path_factory):
    rows, problems = read(tmp_path_factory.mktemp("table"), data)
    assert rows or problems or data.decode("utf-8-sig").split()
    assert all(row.keys() == SCHEMA["properties"].keys() for row in rows)


@given(st.text(min_size=1))
def test_a_cell_is_allowed_or_told_with_a_remedy(value):
    problem = cell_problem(value, SCHEMA["properties"]["name"], required=True)
    assert (problem is None) == (value.isascii() and value.isalpha() and value.islower())


def test_names_the_columns_with_those_that_may_be_left_out_in_brackets():
    assert columns_of(SCHEMA) == "name, [kind], [note]"


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("isr", ["ISR", "IU"], "did you mean ISR? (known: ISR, IU)"),
        (
            "Homo_sapien",
            ["homo_sapiens", "mus_musculus"],
            "did you mean homo_sapiens? (known: homo_sapiens, mus_musculus)".removeprefix(""),
        ),
        ("zzz", ["a", "b"], "known: a, b"),
        (
            "Ensembl",
            [f"Ensembl{of}" for of in "ABCDEF"],
            "known: EnsemblA, EnsemblB, EnsemblC, EnsemblD, EnsemblE, EnsemblF",
        ),
        ("zzz", [f"name{number}" for number in range(30)], "name19, ..."),
        ("zzz", [], "none is known"),
    ],
)
def test_suggests_what_was_meant(word, known, expected):
    assert nearest(word, known).endswith(expected)


def test_gives_hints_for_the_first_of_thousands_of_words_only():
    suggest = suggest_from({f"escherichia_coli_{number}" for number in range(20_000)})
    hints = [suggest(f"escherichia_coly_{number}") for number in range(10_000)]
    assert "did you mean" in hints[0] and hints[-1] == "correct the name"
