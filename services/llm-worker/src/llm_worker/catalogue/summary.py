"""What the catalogue says as a whole, for the answers to frequent questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from llm_worker.catalogue.facts import money
from llm_worker.text import sanitize
from posta.domain.language import Language

FACTS = frozenset({"catalogue_products", "catalogue_price_from", "catalogue_price_to", "catalogue_sizes"})
"""What an answer may name: how many products there are, the lowest and the highest price and the sizes of
those that are not sold out."""
SUMMARY = """
SELECT (SELECT count(*) FROM product)::int AS products, priced.currency, priced.lowest, priced.highest,
       ARRAY(SELECT size FROM product, unnest(sizes) WITH ORDINALITY AS listed (size, at)
              WHERE stock IS DISTINCT FROM 0 GROUP BY size ORDER BY avg(at), size LIMIT 20) AS sizes
  FROM (SELECT) AS one
  LEFT JOIN (SELECT currency, min(price) AS lowest, max(price) AS highest
               FROM product WHERE price IS NOT NULL AND stock IS DISTINCT FROM 0
              GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1) AS priced ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """See the module; prices are those of the currency that most products have."""

    products: int = 0
    currency: str | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    sizes: tuple[str, ...] = ()
    """In the order in which the products list them."""

    def facts(self, language: Language) -> Mapping[str, str]:
        """The texts of ``FACTS``, as far as the catalogue says anything."""
        told: dict[str, str] = {}
        if self.products:
            told["catalogue_products"] = str(self.products)
        if self.currency is not None and self.lowest is not None and self.highest is not None:
            told["catalogue_price_from"] = money(self.lowest, self.currency, language)
            told["catalogue_price_to"] = money(self.highest, self.currency, language)
        if self.sizes:
            told["catalogue_sizes"] = ", ".join(" ".join(sanitize(size).split()) for size in self.sizes)
        return told


def named_in(text: str) -> frozenset[str]:
    """Which of ``FACTS`` an answer names."""
    return frozenset(name for name in FACTS if f"{{{name}}}" in text)


def filled_in(text: str, facts: Mapping[str, str]) -> str | None:
    """The answer with its facts; None when the catalogue does not say one of them."""
    for name in named_in(text):
        if name not in facts:
            return None
        text = text.replace(f"{{{name}}}", facts[name])
    return text
