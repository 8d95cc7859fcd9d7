"""A product, and what of it differs between two imports."""

from dataclasses import dataclass, fields
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One thing that is for sale."""

    sku: str
    name: str
    description: str = ""
    category: str = ""
    price: Decimal | None = None
    """In ``currency``; None: it has no fixed price."""
    currency: str = "EUR"
    """ISO 4217."""
    stock: int | None = None
    """Pieces; None: not counted."""
    sizes: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What an import would do, by SKU in ascending order."""

    added: tuple[str, ...]
    changed: tuple[tuple[str, tuple[str, ...]], ...]
    """SKU and the fields that change."""
    removed: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the import would change nothing."""
        return not (self.added or self.changed or self.removed)


def diff(before: dict[str, Product], after: dict[str, Product], *, replace: bool) -> Diff:
    """How ``after`` changes ``before``; with ``replace``, what is not in ``after`` is removed."""
    return Diff(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(
            (sku, changed)
            for sku in sorted(after.keys() & before.keys())
            if (changed := _changed(before[sku], after[sku]))
        ),
        removed=tuple(sorted(before.keys() - after.keys())) if replace else (),
    )


def _changed(before: Product, after: Product) -> tuple[str, ...]:
    return tuple(
        field.name for field in fields(Product) if getattr(before, field.name) != getattr(after, field.name)
    )
