"""What a catalogue file may hold, and how each wrong row is named."""

import json
from decimal import Decimal

import pytest

from llm_worker.catalogue.file import read_catalogue
from llm_worker.catalogue.product import Product, diff
from posta.errors import ConfigurationError

CSV = """sku,name,description,category,price,stock,sizes,url
H-1,Sudadera básica,Algodón,Sudaderas,"29,95",4,S|M|L,https://shop.example/h1
H-2,Gorra,,,12.5,,,
"""


def _file(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_csv_becomes_products(tmp_path):
    products = read_catalogue(_file(tmp_path, "c.csv", CSV))
    assert products["H-1"] == Product(
        sku="H-1", name="Sudadera básica", description="Algodón", category="Sudaderas",
        price=Decimal("29.95"), stock=4, sizes=("S", "M", "L"), url="https://shop.example/h1",
    )  # fmt: skip
    assert (products["H-2"].price, products["H-2"].stock, products["H-2"].sizes) == (
        Decimal("12.5"),
        None,
        (),
    )


def test_a_spreadsheets_semicolons_and_byte_order_mark_are_understood(tmp_path):
    path = _file(tmp_path, "c.csv", "\ufeffsku;name;price\nA;Camiseta;9,5\n")
    assert read_catalogue(path)["A"].price == Decimal("9.5")


def test_json_becomes_the_same_products(tmp_path):
    rows = [{"sku": "H-1", "name": "Gorra", "price": "12.50", "sizes": ["U"], "stock": 0}]
    products = read_catalogue(_file(tmp_path, "c.json", json.dumps(rows)))
    assert products["H-1"] == Product(sku="H-1", name="Gorra", price=Decimal("12.50"), sizes=("U",), stock=0)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("c.csv", "sku,name\n,Gorra\n", "row 2: sku"),
        ("c.csv", "sku,name,price\nA,Gorra,dear\n", "row 2: price: .*not a number"),
        ("c.csv", "sku,name,price\nA,Gorra,-1\n", "row 2: price"),
        ("c.csv", "sku,name,price\nA,Gorra,1.234\n", "row 2: price"),
        ("c.csv", "sku,name\nA,Gorra,surplus\n", "row 2: .*beyond the header"),
        ("c.csv", "sku,name,colour\nA,Gorra,red\n", "row 2: colour"),
        ("c.csv", "sku,name\nA,Gorra\nA,Otra\n", "row 3: sku 'A' is there twice"),
        ("c.csv", "sku,name,url\nA,Gorra,javascript:alert(1)\n", "row 2: url"),
        ("c.csv", "sku,name,currency\nA,Gorra,euro\n", "row 2: currency"),
        ("c.csv", "sku,name\n", "has no product"),
        ("c.json", "{", "is not JSON"),
        ("c.json", "{}", "not a list"),
        ("c.json", '[1, {"sku": "A", "name": "Gorra"}]', "row 1"),
        ("c.txt", "", "neither in .csv nor in .json"),
    ],
)
def test_a_wrong_file_is_refused_with_the_row_and_the_reason(tmp_path, name, text, reason):
    with pytest.raises(ConfigurationError, match=reason):
        read_catalogue(_file(tmp_path, name, text))


def test_a_file_that_is_not_utf8_or_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_catalogue(_file(tmp_path, "c.csv", "sku,name\nA,Cañón\n", "latin-1"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_catalogue(tmp_path / "nothing.csv")


def test_of_many_faults_the_first_twenty_are_named(tmp_path):
    path = _file(tmp_path, "c.csv", "sku,name\n" + ",Gorra\n" * 30)
    with pytest.raises(ConfigurationError, match=r"row 21: .*\(and 10 more\)$"):
        read_catalogue(path)


def test_an_import_says_what_it_adds_changes_and_removes():
    before = {sku: Product(sku=sku, name=sku, price=Decimal(1)) for sku in ("a", "b", "c")}
    after = {
        "b": Product(sku="b", name="B", price=Decimal(2)),
        "c": before["c"],
        "d": Product(sku="d", name="d"),
    }
    changes = diff(before, after, replace=False)
    assert (changes.added, changes.changed, changes.removed) == (("d",), (("b", ("name", "price")),), ())
    assert diff(before, after, replace=True).removed == ("a",)
    assert diff(before, before, replace=True).is_empty
