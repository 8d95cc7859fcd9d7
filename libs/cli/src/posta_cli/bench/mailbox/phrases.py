"""What the customers of a made-up clothes shop ask by mail, in their words: PURE data.

Written by hand after reading ``faq.yaml``, so the frequent questions are no blind test of it
(``posta llm eval-faq`` is the measure of that). What stands in braces is filled in.
"""

from typing import Literal

from posta.domain.language import Language

Kind = Literal["frequent", "product", "order", "follow_up"]

FREQUENT: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("Shipping", "How long does shipping usually take?"),
        ("Delivery time", "How many days until an order arrives?"),
        ("Question", "How much is shipping?"),
        ("Shipping costs", "Could you tell me what delivery costs, please?"),
        ("Free delivery", "From what amount is shipping free?"),
        ("Question", "Do you offer free shipping?"),
        ("Delivery abroad", "Do you ship to Portugal?"),
        ("Question", "Which countries do you deliver to?"),
        ("Payment", "Which payment methods do you accept?"),
        ("Paying", "Can I pay with PayPal?"),
        ("Payment", "Is it possible to pay in instalments?"),
        ("Security", "Is it safe to pay by card on your website?"),
        ("Returns", "How long do I have to return something?"),
        ("Returns", "How do I return an item?"),
        ("Return policy", "What is your return policy?"),
        ("Exchange", "How can I exchange something for another size?"),
        ("Returns", "Is a return free or do I have to pay for it?"),
        ("Refund", "When do I get my refund after a return?"),
        ("Sizes", "Do you have a size guide?"),
        ("Sizing", "Do your clothes run small or large?"),
        ("Between sizes", "I am between two sizes, which one should I choose?"),
        ("Sizes", "Which sizes do you have?"),
        ("Stock", "How do I know if something is in stock?"),
        ("Restock", "When do you restock sold out items?"),
        ("Reservation", "Can you reserve an item for me until next week?"),
        (
            "Delivery",
            "My partner and I are planning a trip, so: what delivery time should we count on at most?",
        ),
        ("Gift", "Do you gift-wrap orders?"),
        ("Invoice", "Will there be an invoice in the parcel for my company?"),
    ),
    "es": (
        ("Envío", "¿Cuánto tarda en llegar un pedido?"),
        ("Plazo de entrega", "¿Cuál es el plazo de entrega?"),
        ("Consulta", "¿Cuánto cuesta el envío?"),
        ("Gastos de envío", "Me gustaría saber cuáles son los gastos de envío."),
        ("Envío gratis", "¿A partir de qué importe es gratis el envío?"),
        ("Consulta", "¿El envío es gratuito?"),
        ("Envíos", "¿Hacéis envíos a Canarias?"),
        ("Envíos", "¿A qué países enviáis?"),
        ("Pago", "¿Qué formas de pago aceptáis?"),
        ("Pago", "¿Puedo pagar con Bizum?"),
        ("Pago a plazos", "¿Se puede pagar a plazos?"),
        ("Seguridad", "¿Es seguro pagar con tarjeta en vuestra web?"),
        ("Devoluciones", "¿Cuántos días tengo para devolver un pedido?"),
        ("Devoluciones", "¿Cómo puedo devolver una prenda?"),
        ("Devolución", "¿Cuál es vuestra política de devoluciones?"),
        ("Cambio", "¿Cómo hago un cambio de talla?"),
        ("Devoluciones", "¿La devolución es gratuita o la tengo que pagar yo?"),
        ("Reembolso", "¿Cuánto tarda el reembolso?"),
        ("Tallas", "¿Tenéis una guía de tallas?"),
        ("Tallaje", "¿La ropa talla bien o mejor pedir una más?"),
        ("Duda de talla", "Estoy entre dos tallas, ¿cuál debería elegir?"),
        ("Tallas", "¿Qué tallas tenéis?"),
        ("Stock", "¿Cómo sé si un producto está disponible?"),
        ("Reposición", "¿Cuándo reponéis los artículos agotados?"),
        ("Reserva", "¿Me podéis reservar un artículo?"),
        ("Envío", "Me voy de viaje el mes que viene con mi familia, ¿qué plazo de entrega máximo manejáis?"),
        ("Regalo", "¿Envolvéis los pedidos para regalo?"),
        ("Factura", "¿Viene la factura a nombre de mi empresa en el paquete?"),
    ),
}

PRODUCT: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("{product}", "How much is the {product}?"),
        ("{product}", "Do you still have the {product} in size {size}?"),
        (
            "Question about the {product}",
            "Is the {product} available in {colour}? I only see it in other colours.",
        ),
        ("{product}", "What is the {product} made of, and can it go into the dryer?"),
        ("Which one?", "What is the difference between the {product} and the {other}? Which one is warmer?"),
        (
            "Sizing of the {product}",
            "I am {height} cm tall, {weight} kg. Which size of the {product} fits?",
        ),
    ),
    "es": (
        ("{product}", "¿Qué precio tiene: {product}?"),
        ("{product}", "¿Os queda algo de esto en la talla {size}? {product}"),
        (
            "Duda sobre {product}",
            "¿Está disponible en {colour}? En la web solo la veo en otros colores: {product}.",
        ),
        ("{product}", "¿De qué tejido es ({product}) y se puede meter en la secadora?"),
        ("¿Cuál elijo?", "¿Qué diferencia hay entre estos dos: {product} y {other}? ¿Cuál abriga más?"),
        ("Talla de {product}", "Mido {height} cm y peso {weight} kg. ¿Qué talla me va mejor de {product}?"),
    ),
}

ORDER: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("Order {order}", "Where is my order {order}? I placed it {days} days ago and heard nothing since."),
        (
            "Order {order}",
            "I ordered the {product} in {size}, but a {size2} came. How do we solve this? Order {order}.",
        ),
        (
            "Wrong address",
            "I gave the wrong house number in order {order}. Can you still change it to {number}?",
        ),
        (
            "Refund of {order}",
            "I sent order {order} back {days} days ago and the money is not on my account yet.",
        ),
        ("Cancel {order}", "Please cancel order {order}, I ordered twice by mistake."),
        (
            "Damaged parcel",
            "The parcel of order {order} arrived open and the {product} has a hole in the sleeve.",
        ),
        ("Invoice", "I need the invoice of order {order} with my tax number {tax} on it."),
    ),
    "es": (
        ("Pedido {order}", "¿Dónde está mi pedido {order}? Lo hice hace {days} días y no sé nada."),
        (
            "Pedido {order}",
            "Pedí la talla {size} y ha llegado una {size2}. ¿Qué hacemos? Pedido {order}: {product}.",
        ),
        (
            "Dirección equivocada",
            "Puse mal el número de mi calle en el pedido {order}. ¿Podéis cambiarlo al {number}?",
        ),
        (
            "Reembolso {order}",
            "Devolví el pedido {order} hace {days} días y todavía no tengo el dinero en la cuenta.",
        ),
        ("Cancelar {order}", "Cancelad por favor el pedido {order}, lo he hecho dos veces sin querer."),
        (
            "Paquete dañado",
            "El paquete del pedido {order} llegó abierto y la prenda tiene un agujero: {product}.",
        ),
        ("Factura", "Necesito la factura del pedido {order} con mi NIF {tax}."),
    ),
}

FOLLOW_UP: dict[Language, tuple[str, ...]] = {
    "en": (
        "Thanks for the quick answer. And does that also hold if I send it to my office?",
        "That does not quite answer my question: what if I need it before the {day}th?",
        "I see. Could you put that in simpler words? I am not sure what I have to do now.",
        "Perfect, and one more thing: can I change my mind afterwards?",
        "Sorry, I forgot to say that it is a present. Does that change anything?",
    ),
    "es": (
        "Gracias por responder tan rápido. ¿Y eso vale también si lo envío a mi oficina?",
        "No me queda claro del todo: ¿y si lo necesito antes del día {day}?",
        "Entiendo. ¿Me lo podéis explicar más fácil? No sé bien qué tengo que hacer ahora.",
        "Perfecto, y una cosa más: ¿puedo cambiar de idea después?",
        "Perdón, se me olvidó decir que es un regalo. ¿Cambia algo?",
    ),
}

GREETINGS: dict[Language, tuple[str, ...]] = {
    "en": ("", "Hi,", "Hello,", "Hi there!", "Good morning,", "Dear team,"),
    "es": ("", "Hola:", "Hola!", "Buenos días:", "Buenas tardes,", "Hola, ¿qué tal?"),
}
CLOSINGS: dict[Language, tuple[str, ...]] = {
    "en": ("", "Thanks!", "Best regards,", "Kind regards", "Many thanks in advance,", "Cheers,"),
    "es": ("", "Gracias", "Un saludo,", "Muchas gracias de antemano.", "Saludos cordiales,", "Un abrazo,"),
}
SIGNATURES = (
    "",
    "",
    "-- \n{name}\n{phone}\n",
    "-- \n{name} | Estudio Ribera\nC/ Mayor {number}, 28013 Madrid\nTel. {phone}\nwww.example.test\n",
    "Sent from my phone",
    "Enviado desde mi móvil",
    "-- \n{name}\nThis e-mail is confidential. If you are not its addressee, delete it and tell us.\n",
)
NAMES: dict[Language, tuple[str, ...]] = {
    "en": (
        "Emily Carter",
        "Dan Brooks",
        "Helen Moore",
        "Oliver Hughes",
        "Grace Patel",
        "Tom Evans",
        "Ruth Cole",
    ),
    "es": (
        "Marta Gil",
        "Jorge Pérez",
        "Lucía Romero",
        "Álvaro Soto",
        "Nuria Vidal",
        "Iker Ruiz",
        "Carmen Leal",
    ),
}
COLOURS: dict[Language, tuple[str, ...]] = {
    "en": ("navy", "green", "black", "off-white"),
    "es": ("azul marino", "verde", "negro", "blanco roto"),
}
