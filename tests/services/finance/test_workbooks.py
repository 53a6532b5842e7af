"""Sheets of workbooks as Excel, LibreOffice and others write them are read as openpyxl reads them; hostile ones are refused."""

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.formula import ArrayFormula

from finance.matching import workbooks
from finance.matching.errors import BrokenFile
from finance.matching.workbooks import MOST_COLUMNS, refuse_other_archives, sheet_rows

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
# A file as Excel lays it out: texts are shared, and every cell says where it is.
EXCEL: Final = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/sharedStrings.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><workbookPr date1904="0"/><bookViews/><sheets>'
        '<sheet name="Statement" sheetId="7" r:id="rId3"/><sheet name="Notes" sheetId="2" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet2.xml"/>'
        f'<Relationship Id="rId2" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
        f'<Relationship Id="rId3" Type="{RELATIONS}/worksheet" Target="/xl/worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId4" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>'
    ),
    "xl/styles.xml": (
        f'<styleSheet xmlns="{MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/>'
        '<numFmt numFmtId="165" formatCode="[$-409]0.00;[Red]d"/></numFmts>'
        '<fonts><font/></fonts><fills><fill><patternFill/></fill></fills><borders><border/></borders>'
        '<cellStyleXfs><xf numFmtId="14" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="46"/><xf numFmtId="165"/><xf numFmtId="14"/>'
        '<xf numFmtId="20"/><xf numFmtId="49"/></cellXfs>'
        '<cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        '<dxfs><dxf><numFmt numFmtId="165" formatCode="dd"/></dxf></dxfs></styleSheet>'
    ),
    "xl/sharedStrings.xml": (
        f'<sst xmlns="{MAIN}"><si><t>key</t></si><si><t xml:space="preserve"> round:r_1 </t></si>'
        "<si><r><rPr><b/></rPr><t>rich </t></r><r><t>t&#233;xt</t></r><rPh sb=\"0\" eb=\"1\"><t>hint</t></rPh></si>"
        "<si/><si><t/></si><si><t>a_x005F_x000D_b</t></si></sst>"
    ),
    "xl/worksheets/sheet2.xml": (
        f'<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="A1"><v>9</v></c></row></sheetData></worksheet>'
    ),
}  # fmt: skip
ROWS: Final = (
    '<row r="1" spans="1:3"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>\n'
    '<row r="3" ht="15"><c r="B3" s="1"><v>46085.5</v></c><c r="D3" s="2"><v>1.25</v></c>\n'
    '<c r="E3" s="3"><v>-5.5</v></c></row><row r="4"><c r="A4" s="4"><v>46085</v></c><c r="B4" s="5"><v>0.75</v></c>'
    '<c r="C4" s="6"><v>1E3</v></c><c r="D4" s="0"/></row><row r="5"><c r="A5" t="b"><v>1</v></c>'
    '<c r="B5" t="e"><v>#N/A</v></c><c r="C5" t="str"><f>A1&amp;"x"</f><v>keyx</v></c></row>'
    '<row r="6"><c r="A6"><f>1+1</f><v>2</v></c><c r="B6"><f t="shared" si="0">B5</f></c>'
    '<c r="C6" t="d"><v>2026-03-04T12:00:05Z</v></c></row><row r="8"><c t="inlineStr"><is><t>in</t></is></c>'
    '<c t="inlineStr"><is><r><t>li</t></r><r><t>ne</t></r></is></c><c><v></v></c></row><row><c r="A9" t="s"><v>3</v></c>'
    '<c r="B9" t="s"><v>4</v></c><c r="C9" t="s"><v>5</v></c><c r="XFD9"><v>1</v></c></row>'
    '<row r="10"><c r="A10" s="1"><v>99999999</v></c><c r="B10" s="1"><v>-1</v></c><c r="C10"><v>-0.1</v></c>'
    '<c r="D10" s="1"><v>59</v></c></row>'
)
# As some libraries write it: every element has a prefix.
PREFIXED: Final = (
    f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData>'
    '<x:row r="2"><x:c r="B2"><x:v>7</x:v></x:c></x:row></x:sheetData></x:worksheet>'
)


def packed(changed: Mapping[str, str | bytes | None] | None = None) -> bytes:
    """Return a workbook as Excel writes it, or with members of these file names changed; None leaves one out."""
    members: dict[str, str | bytes | None] = {**EXCEL, "xl/worksheets/sheet1.xml": sheet(ROWS)}
    for file_name, content in (changed or {}).items():
        (name,) = (name for name in members if name.rpartition("/")[2] == file_name)
        members[name] = content
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return file.getvalue()


def sheet(rows: str, *, before: str = "", after: str = "", namespace: str = MAIN) -> str:
    """Return a sheet of these rows."""
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{namespace}">{before}'
        f"<sheetData>{rows}</sheetData>{after}</worksheet>"
    )


def read(content: bytes) -> list[tuple[int, list[Any]]]:
    """Return the rows that have a value, as we read them."""
    return [(number, _trimmed(cells)) for number, cells in sheet_rows(io.BytesIO(content)) if _trimmed(cells)]


def by_openpyxl(content: bytes) -> list[tuple[int, list[Any]]]:
    """Return the same as openpyxl reads them."""
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    rows = book.worksheets[0].iter_rows(values_only=True, max_col=MOST_COLUMNS, max_row=100)
    return [(number, _trimmed(cells)) for number, cells in enumerate(rows, 1) if _trimmed(cells)]


def _trimmed(cells: Any) -> list[Any]:
    width = max((place for place, cell in enumerate(cells, 1) if cell is not None), default=0)
    return list(cells[:width])


def written(fill: Callable[[Any, Workbook], object]) -> bytes:
    """Return a workbook as openpyxl writes it."""
    book = Workbook()
    fill(book.active, book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _varied(page: Any, book: Workbook) -> None:
    naive = dt.datetime(2026, 3, 4, 12, 0, 5, 250_000)  # noqa: DTZ001 - a spreadsheet's times have no zone
    bold = CellRichText("a ", TextBlock(InlineFont(b=True), "b"))
    page.append(["text", 5, -0.1, 1e300, True, None, naive, naive.date(), naive.time(), dt.timedelta(hours=30), "=1+1", bold])
    page["A3"], page["AZ3"], page["CZ3"] = "#N/A", "=SUM(B1:C1)", "beyond"
    page["A3"].hyperlink = "https://casino.example/"
    page["B4"].number_format, page["C4"].number_format = '"day" 0', "[h]:mm"
    page["B4"], page["C4"] = 12, 1.5
    page["D5"] = ArrayFormula("D5:D6", "=B1:B2")
    page.merge_cells("A7:C7")
    page["A7"] = "merged\nline"
    book.create_sheet("second").append(["not this one"])


def _of_1904(page: Any, book: Workbook) -> None:
    book.epoch = CALENDAR_MAC_1904
    page.append([dt.datetime(2026, 3, 4, 12)])  # noqa: DTZ001


class TestAWorkbook:
    @pytest.mark.parametrize(
        "content",
        [
            packed(),
            packed({"styles.xml": None}),
            packed({"sheet1.xml": sheet(ROWS, before='<dimension ref="A1:XFD1048576"/><cols><col min="1" max="3"/></cols>')}),
            packed({"sheet1.xml": sheet(ROWS, after="<hyperlinks/>").replace("UTF-8", "UTF-16").encode("utf-16")}),
            packed({"sheet1.xml": PREFIXED}),
            packed({"sheet1.xml": sheet("")}),
            written(_varied),
            written(_of_1904),
        ],
    )  # fmt: skip
    @pytest.mark.filterwarnings("ignore")  # openpyxl's, of styles and dates
    def test_is_read_as_openpyxl_reads_it(self, content: bytes) -> None:
        refuse_other_archives(io.BytesIO(content))
        assert read(content) == by_openpyxl(content)

    def test_has_its_values_by_type_and_style(self) -> None:
        rows = dict(read(packed()))
        day = dt.datetime(2026, 3, 4)  # noqa: DTZ001
        assert rows[1] == ["key", " round:r_1 ", "rich téxt"]
        assert rows[3] == [None, day.replace(hour=12), None, dt.timedelta(hours=30), -5.5]
        assert rows[4] == [day, dt.time(18), 1000.0]
        assert rows[5] == [True, "#N/A", "keyx"]
        assert rows[6] == [2, None, day.replace(hour=12, second=5)]
        assert rows[8] == ["in", "line"]
        assert list(rows) == [1, 3, 4, 5, 6, 8, 9, 10]

    def test_of_the_strict_form_is_read_too(self) -> None:
        strict = "http://purl.oclc.org/ooxml/spreadsheetml/main"
        texts = EXCEL["xl/sharedStrings.xml"].replace(MAIN, strict)
        content = packed({"sheet1.xml": sheet(ROWS, namespace=strict), "sharedStrings.xml": texts})
        assert read(content) == read(packed())

    def test_may_have_no_shared_texts(self) -> None:
        content = packed({"sharedStrings.xml": None, "sheet1.xml": sheet('<row><c t="str"><v>a</v></c></row>')})
        assert read(content) == [(1, ["a"])]

    @settings(max_examples=25, deadline=None)
    @given(
        lines=st.lists(
            st.lists(
                st.none()
                | st.booleans()
                | st.integers(-(2**53), 2**53)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), max_size=30)
                | st.datetimes(dt.datetime(1900, 3, 2), dt.datetime(2200, 1, 1)),  # noqa: DTZ001
                max_size=6,
            ),
            max_size=6,
        )
    )
    def test_of_any_values_is_read_as_openpyxl_reads_it(self, lines: list[list[Any]]) -> None:
        content = written(lambda page, _: [page.append(line) for line in lines])
        assert read(content) == by_openpyxl(content)


class TestAHostileWorkbook:
    @pytest.fixture
    def small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have little count as too much."""
        for name, limit in {
            "LARGEST_UNPACKED": 600_000, "LARGEST_STRINGS": 50_000, "LARGEST_OTHER_PART": 50_000, "LONGEST_TEXT": 100_000,
            "MOST_NAMES": 500,
        }.items():  # fmt: skip
            monkeypatch.setattr(workbooks, name, limit)

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"sheet2.xml": b" " * 700_000}, "split it by days"),
            ({"sharedStrings.xml": b" " * 60_000}, "too much text"),
            ({"workbook.xml": b" " * 60_000}, "unpack it"),
            ({".rels": "<Relationships/>"}, "unpack it"),
            ({"workbook.xml": EXCEL["xl/workbook.xml"].replace("<sheet ", "<leaf ")}, "no sheet"),
            ({"sheet1.xml": f"<!DOCTYPE x [<!ENTITY a 'b'>]>{sheet(ROWS).partition('?>')[2]}"}, "damaged at its beginning"),
            ({"styles.xml": f"<!DOCTYPE x>{EXCEL['xl/styles.xml']}"}, "damaged at its beginning"),
            ({"sharedStrings.xml": f"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>{EXCEL['xl/sharedStrings.xml']}"}, "damaged"),
            ({"sheet1.xml": sheet("", before="<a>" * 70_000)}, "damaged"),
            ({"sheet1.xml": sheet("", before="".join(f"<n{place}/>" for place in range(10_000)))}, "damaged"),
            ({"sheet1.xml": sheet("", before="".join(f'<a xmlns:p{place}="u"/>' for place in range(5_000)))}, "damaged"),
            ({"sheet1.xml": sheet("", before=f"<!--{'x' * 300_000}-->")}, "damaged"),
            ({"sheet1.xml": sheet(f'<row><c t="str"><v>{"x" * 300_000}</v></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet(f'<row><c t="inlineStr"><is>{"<t>eleven of them</t>" * 9_000}</is></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet('<row r="1"/><row r="1048577"/>')}, "damaged"),
            ({"sheet1.xml": sheet('<row r="3"><c><v>1</v></c></row><row r="2"><c><v>1</v></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet('<row r="1"><c t="s"><v>-1</v></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet('<row r="1"><c t="s"><v>77</v></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet('<row r="1"><c r="1A"><v>1</v></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet('<row r="1"><c><v>nan</v></c></row>')}, "damaged"),
            ({"sheet1.xml": sheet(ROWS)[:-20]}, "damaged after line 10"),
        ],
    )  # fmt: skip
    def test_is_refused(self, small_limits: None, changed: dict[str, str | bytes], says: str) -> None:
        assert read(packed())
        with pytest.raises(BrokenFile, match=says):
            self.take(packed(changed))

    def test_of_another_compression_is_refused(self) -> None:
        file = io.BytesIO(packed())
        with zipfile.ZipFile(file, "a", zipfile.ZIP_LZMA) as archive:
            archive.writestr("xl/media/image1.png", b"x" * 100)
        with pytest.raises(BrokenFile, match="unpack it"):
            self.take(file.getvalue())

    def test_with_one_cell_far_away_costs_no_more_than_it_has(self) -> None:
        far = '<row r="1048576"><c r="A1048576"><v>1</v></c><c r="XFD1048576"><v>2</v></c></row>'
        assert list(sheet_rows(io.BytesIO(packed({"sheet1.xml": sheet(far)})))) == [(1_048_576, [1])]

    def take(self, content: bytes) -> None:
        """Take a file in as an upload does, and read it."""
        refuse_other_archives(io.BytesIO(content))
        read(content)
