from tenants.spreadsheets import harmless


def test_no_text_is_a_formula_in_anybodys_spreadsheet():
    for start in "=+-@＝＋－＠\t\r\n":
        assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert [harmless(cell) for cell in ("susan", "a=b", "", -1, None)] == ["susan", "a=b", "", -1, None]
