"""Mails as people and machines write them, as bytes."""


def mail(number: int, text: str = "", **fields: str) -> bytes:
    """Mail ``number``; ``fields`` are header fields by name, with ``_`` for ``-``."""
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    header = {
        "From": "Ana <ana@example.test>",
        "To": "posta@example.test",
        "Subject": f"Question {number}",
        "Message-ID": f"<q{number}@example.test>",
        "Date": "Fri, 20 Nov 2026 10:00:00 +0000",
        "Content-Type": "text/plain; charset=utf-8",
        **given,
    }
    lines = [f"{name}: {value}" for name, value in header.items()]
    return "\r\n".join([*lines, "", text or f"What is {number}?", ""]).encode()
