from itertools import product

from tenants.spreadsheets import as_it_was, harmless


def test_no_text_is_a_formula_in_anybodys_spreadsheet():
    for start in "=+-@＝＋－＠\t\r\n":
        assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert [harmless(cell) for cell in ("susan", "a=b", "", -1, None)] == ["susan", "a=b", "", -1, None]


def test_every_text_comes_back_as_it_was():
    texts = ["".join(letters) for length in range(6) for letters in product("'=x\n＠", repeat=length)]
    written = [harmless(text) for text in texts]
    assert [as_it_was(cell) for cell in written] == texts
    assert not [cell for cell in written if cell.startswith(("=", "\n", "＠"))]


def test_an_apostrophe_that_nobody_put_there_stays():
    for text in ("'t Hooft", "'", "'quoted'", "''"):
        assert (harmless(text), as_it_was(text)) == (text, text)
