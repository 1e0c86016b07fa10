"""Sheets of camera records: read as people write them, each wrong row named, no file takes the service down."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest
from openpyxl import Workbook

from camera_registry.address_policy import AddressPolicy
from camera_registry.camera_sheet import COLUMNS, CameraLine, CameraSheet, LineFault, read_cameras, written
from camera_registry.errors import CameraRefused
from camera_registry.sheet_files import MOST_ROWS, read_sheet, written_csv, written_xlsx

CODE = "99000000081322000007"


def csv_of(*rows: str) -> bytes:
    return "\n".join(rows).encode()


def read(policy: AddressPolicy, *rows: str) -> CameraSheet:
    return read_cameras(csv_of(*rows), policy)


def test_a_row_is_read_under_either_heading_and_in_words(policy: AddressPolicy) -> None:
    sheet = read(
        policy,
        "名称,ONVIF地址,经度,lat,结构,补光,朝向,所属单位,备 注",
        "测试路口东,127.0.0.7:8080,120.5,30.25,球机,2,270,测试单位,说明",
    )
    (line,) = sheet.lines
    assert isinstance(line, CameraLine)
    assert (line.row, line.code, line.name) == (2, None, "测试路口东")
    assert line.onvif_address == "http://127.0.0.7:8080/onvif/device_service"
    assert (line.lng, line.lat) == (120.5, 30.25)
    assert line.described == {"structure": "1", "fill_light": "2", "bearing": 270.0, "owner_unit": "测试单位"}
    assert line.texts == {"note": "说明"}


@pytest.mark.parametrize(
    ("heading", "row", "field", "reason"),
    [
        ("编码,名称", "9900,门", "code", "code_not_20_digits"),
        ("编码,名称", "99000000081322000000,门", "serial", "serial_invalid"),
        ("编码,名称", "99000000081992000001,门", "type", "type_not_a_camera"),
        ("名称,RTSP地址", "门,http://127.0.0.1/", "rtsp_url", "address_invalid"),
        ("名称,RTSP地址", "门,rtsp://a:b@127.0.0.1/", "rtsp_url", "login_in_address"),
        ("名称,RTSP地址", "门,rtsp://camera.invalid/", "rtsp_url", "host_unknown"),
        ("名称,ONVIF地址", "门,169.254.169.254", "onvif_address", "address_not_allowed"),
        ("名称,ONVIF地址,RTSP地址", "门,127.0.0.1,rtsp://127.0.0.1/", "rtsp_url", "one_address_needed"),
        ("名称,经度,纬度", "门,181,30", "lng", "lng_invalid"),
        ("名称,经度,纬度", "门,北,30", "lng", "not_a_number"),
        ("名称,经度,纬度", "门,nan,30", "lng", "not_a_number"),
        ("名称,经度", "门,120", "lat", "point_incomplete"),
        ("名称,结构", "门,圆", "structure", "structure_invalid"),
        ("名称,朝向", "门,360", "bearing", "bearing_invalid"),
        ("名称,行政区划", "门,12345", "division", "division_invalid"),
        ("名称,行业编码", "门,99", "industry", "industry_unknown"),
        ("名称,地址", "门," + "长" * 201, "address", "too_long"),
        ("名称,地址", '门,"一\n二"', "address", "not_printable"),
    ],
)
def test_what_is_wrong_in_a_row_is_named(
    policy: AddressPolicy, heading: str, row: str, field: str, reason: str
) -> None:
    (fault,) = read(policy, heading, row).lines
    assert isinstance(fault, LineFault)
    assert (fault.row, fault.field, fault.reason) == (2, field, reason)
    assert fault.zh
    assert fault.en


def test_the_second_of_two_equal_rows_is_wrong_and_empty_rows_are_none(policy: AddressPolicy) -> None:
    sheet = read(policy, "编码,名称,ONVIF地址", f"{CODE},甲,", ",,", f"{CODE},乙,", ",丙,127.0.0.1", ",丁,127.0.0.1:80")
    assert [(one.row, isinstance(one, CameraLine)) for one in sheet.lines] == [
        (2, True),
        (4, False),
        (5, True),
        (6, True),
    ]
    again = read(policy, "名称,ONVIF地址", "丙,127.0.0.1", "丁, http://127.0.0.1/ ")
    assert [getattr(one, "reason", None) for one in again.lines] == [None, "twice_in_file"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "sheet_without_columns"),
        (b"a,b\n1,2\n", "sheet_without_columns"),
        ("名称,密码\n门,x\n".encode(), "sheet_with_secrets"),
        (b"name,Password\nx,y\n", "sheet_with_secrets"),
        (b"\xff\xff\xff", "sheet_unreadable"),
        (b"name\n\x00\n", "sheet_unreadable"),
        (b"PK\x03\x04 not a workbook", "sheet_unreadable"),
        (csv_of("name", *["x"] * (MOST_ROWS + 1)), "sheet_too_large"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused_as_a_whole(policy: AddressPolicy, content: bytes, reason: str) -> None:
    with pytest.raises(CameraRefused, match=reason) as refused:
        read_cameras(content, policy)
    assert refused.value.field == "file"


def workbook(spoil: Callable[[zipfile.ZipFile], None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        spoil(packed)
    return out.getvalue()


def test_a_workbook_that_unpacks_without_end_is_refused(policy: AddressPolicy) -> None:
    def spoil(packed: zipfile.ZipFile) -> None:
        with packed.open("xl/worksheets/sheet1.xml", "w") as part:
            for _ in range(300):
                part.write(b" " * 1_000_000)

    with pytest.raises(CameraRefused, match="sheet_too_large"):
        read_cameras(workbook(spoil), policy)


def test_rows_far_below_are_not_waited_for() -> None:
    book = Workbook()
    assert book.active is not None
    book.active["A1"], book.active["A1048576"] = "name", "x"
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(CameraRefused, match="sheet_too_large"):
        list(read_sheet(out.getvalue()))


def test_a_small_workbook_that_asks_for_terabytes_ends_in_a_refusal() -> None:
    book = Workbook()
    assert book.active is not None
    book.active["A1"] = "name"
    for row in range(2, 60_000, 10_000):
        book.active.cell(row, 16_384).value = "x"  # type: ignore[union-attr]  # as wide as a sheet may be
    out = io.BytesIO()
    book.save(out)
    assert len(out.getvalue()) < 20_000
    with pytest.raises(CameraRefused, match="sheet_too_large"):
        list(read_sheet(out.getvalue()))


def test_many_cells_that_name_one_long_text_are_too_much() -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["name"] * 40)
    for _ in range(260):
        book.active.append(["长" * 2_000] * 40)
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(CameraRefused, match="sheet_too_large"):
        list(read_sheet(out.getvalue()))


def test_an_indented_table_and_cells_of_every_kind_are_read_as_texts() -> None:
    book = Workbook()
    assert book.active is not None
    book.active["B2"], book.active["C2"], book.active["B4"], book.active["C4"] = "name", "lng", 7, 120.25
    out = io.BytesIO()
    book.save(out)
    assert list(read_sheet(out.getvalue())) == [(2, ("", "name", "lng")), (4, ("", "7", "120.25"))]


def test_a_sheet_in_the_countrys_own_code_page_is_read(policy: AddressPolicy) -> None:
    (line,) = read_cameras("名称,ONVIF地址\n测试路口东,127.0.0.1\n".encode("gb18030"), policy).lines
    assert isinstance(line, CameraLine)
    assert line.name == "测试路口东"


@pytest.mark.parametrize("write", [written_csv, lambda rows: written_xlsx(rows, "档案")], ids=["csv", "xlsx"])
def test_what_is_written_is_read_again_and_no_formula_among_it(
    policy: AddressPolicy, write: Callable[[object], bytes]
) -> None:
    records = [{"code": CODE, "name": "=1+1", "lng": 120.1234567, "lat": -30.5, "bearing": None, "note": "-备注"}]
    content = write(written(records))
    texts = [cells for _, cells in read_sheet(content)]
    assert texts[0] == tuple(COLUMNS.values())
    (line,) = read_cameras(content, policy).lines
    assert isinstance(line, CameraLine)
    assert (line.code, line.name, line.lng, line.lat, line.texts["note"]) == (CODE, "=1+1", 120.1234567, -30.5, "-备注")
    assert b"<f>" not in content
