"""The price list of the made-up shop whose mailbox is answered: PURE data."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """One product, as a customer's mail and the price list name it."""

    sku: str
    name: str
    price_eur: Decimal
    stock: int
    description: str

    @property
    def line(self) -> str:
        """Its line in a price list."""
        facts = f"price {self.price_eur} EUR; {self.stock} in stock; {self.description}"
        return f"- {self.name} (SKU {self.sku}); {facts}"


_ROWS = """
CAM-01|Camiseta básica de algodón|14.95|120|Algodón orgánico, corte recto, tallas XS a XXL
CAM-02|Camiseta de rayas marinera|19.95|44|Punto de algodón, manga larga, tallas XS a XL
SUD-01|Sudadera con capucha Ronda|39.95|31|Felpa cepillada por dentro, bolsillo canguro
SUD-02|Sudadera de cuello redondo Duero|34.95|0|Felpa ligera, puños elásticos
VAQ-01|Vaquero recto Júcar|59.95|27|Denim de 12 onzas, tiro medio, tallas 36 a 48
VAQ-02|Vaquero ancho Turia|64.95|12|Denim rígido, tiro alto, bajo sin rematar
CHA-01|Chaqueta impermeable Cares|89.00|18|Membrana de tres capas, costuras selladas
CHA-02|Chaqueta acolchada Sil|79.00|9|Relleno reciclado, plegable en su bolsillo
VES-01|Vestido camisero Miño|54.95|15|Viscosa con cinturón, botones de nácar
VES-02|Vestido de punto Esla|49.95|22|Canalé, largo midi, tallas S a XL
FAL-01|Falda plisada Ebro|44.95|14|Cintura elástica, forro de algodón
CAL-01|Calcetines de lana Pas|9.95|210|Lana merina, par, tallas 36 a 46
SHI-01|Oxford shirt Thames|45.00|38|Washed cotton, button-down collar, sizes S to XXL
SHI-02|Linen shirt Severn|52.00|16|European linen, relaxed fit
JUM-01|Merino jumper Tweed|69.00|24|Extra-fine merino, crew neck, sizes XS to XL
JUM-02|Cable jumper Clyde|74.00|7|Lambswool, heavy knit
TRO-01|Chino trousers Avon|49.00|33|Stretch twill, sizes 28 to 40
TRO-02|Corduroy trousers Dee|55.00|0|Eight-wale corduroy, straight leg
COA-01|Wool coat Tay|159.00|6|Double-faced wool, two pockets inside
COA-02|Raincoat Mersey|95.00|11|Waxed cotton, storm flap
SCA-01|Wool scarf Tees|29.00|48|180 x 30 cm, fringed
HAT-01|Beanie Wye|19.00|65|Ribbed merino, one size
BAG-01|Tote bag Trent|24.00|80|Canvas, inside pocket, 38 x 42 cm
BEL-01|Leather belt Humber|32.00|29|Full-grain leather, 3 cm, sizes 80 to 110
"""
GOODS: tuple[Goods, ...] = tuple(
    Goods(sku=sku, name=name, price_eur=Decimal(price), stock=int(stock), description=description)
    for sku, name, price, stock, description in (row.split("|") for row in _ROWS.strip().splitlines())
)
PRICE_LIST = "\n".join(goods.line for goods in GOODS)
