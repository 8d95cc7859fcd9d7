"""Reads a catalogue from a CSV or JSON file; every wrong row is named before anything is imported."""

import csv
import io
import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llm_worker.catalogue.product import Product
from posta.errors import ConfigurationError

_MAX_BYTES = 64 * 1024 * 1024
_MOST_FAULTS = 20
_SIZES_APART = ("|", ";", "/")


def _decimal(value: Any) -> Any:
    """``19,95`` as ``19.95``, nothing as None; thousands separators are refused, since they are ambiguous."""
    if not isinstance(value, str):
        return value
    text = value.strip().replace(",", ".")
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("is not a number such as 19.95") from None


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for apart in _SIZES_APART[1:]:
        value = value.replace(apart, _SIZES_APART[0])
    return [part.strip() for part in value.split(_SIZES_APART[0]) if part.strip()]


_Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
_Pieces = Annotated[int, Field(ge=0, le=2_000_000_000)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    sku: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=4000)
    category: str = Field(default="", max_length=100)
    price: Annotated[_Price | None, BeforeValidator(_decimal)] = None
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    stock: Annotated[_Pieces | None, BeforeValidator(_blank_is_none)] = None
    sizes: Annotated[tuple[Annotated[str, Field(max_length=30)], ...], BeforeValidator(_listed)] = ()
    url: str = Field(default="", max_length=500, pattern=r"^(https?://\S+)?$")


def read_catalogue(path: Path) -> dict[str, Product]:
    """The products in ``path`` (``.csv`` with a header line, or ``.json``: a list of objects) by SKU.

    Raises ``ConfigurationError`` naming each row and field that is wrong, at most twenty.
    """
    rows = _rows(path)
    products: dict[str, Product] = {}
    faults: list[str] = []
    for number, row in rows:
        try:
            product = Product(**_Row.model_validate(row).model_dump())
        except ValidationError as exc:
            faults += [
                f"row {number}: {'/'.join(map(str, error['loc']))}: {error['msg']}"
                for error in exc.errors(include_url=False)
            ]
            continue
        if product.sku in products:
            faults.append(f"row {number}: sku {product.sku!r} is there twice")
        products[product.sku] = product
    if faults:
        more = f" (and {len(faults) - _MOST_FAULTS} more)" if len(faults) > _MOST_FAULTS else ""
        raise ConfigurationError(f"{path}: {'; '.join(faults[:_MOST_FAULTS])}{more}")
    if not products:
        raise ConfigurationError(f"{path}: has no product")
    return products


def _rows(path: Path) -> list[tuple[int, Any]]:
    """The rows by the number a person would look for: the line of a CSV, the place in a JSON list."""
    text = _text(path)
    match path.suffix.lower():
        case ".csv":
            reader = csv.DictReader(io.StringIO(text, newline=""), dialect=_dialect(text))
            return [
                (reader.line_num, {key or "(beyond the header)": value or "" for key, value in row.items()})
                for row in reader
            ]
        case ".json":
            try:
                document = json.loads(text)
            except (ValueError, RecursionError) as exc:
                raise ConfigurationError(f"{path}: is not JSON: {exc}") from None
            if not isinstance(document, list):
                raise ConfigurationError(f"{path}: is not a list of products")
            return list(enumerate(document, start=1))
        case _:
            raise ConfigurationError(f"{path}: ends neither in .csv nor in .json")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigurationError(f"{path}: larger than {_MAX_BYTES // 1_048_576} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8; save it as UTF-8 and try again") from None


def _dialect(text: str) -> type[csv.Dialect]:
    """Comma or semicolon, as spreadsheets write them: whichever is more often in the header."""
    header = text.split("\n", 1)[0]

    class Dialect(csv.excel):
        delimiter = ";" if header.count(";") > header.count(",") else ","

    return Dialect
