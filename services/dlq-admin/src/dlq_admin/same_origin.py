"""Whether a form was posted from our own page: the first of two guards against cross-site requests.

Browsers say where a request comes from in ``Sec-Fetch-Site`` (W3C Fetch Metadata) and ``Origin``
(RFC 6454); a page cannot forge either. A post that carries neither comes from no browser of today.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit


def own_origin(*, public_url: str | None, scheme: str, host: str) -> str:
    """The origin that browsers see this page at: as configured, or as the request names it."""
    if public_url is None:
        return f"{scheme}://{host}".lower()
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_same_origin(headers: Mapping[str, str], *, own: str) -> bool:
    """Whether the browser says that the post comes from ``own``."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return origin.lower() == own
    return site is not None
