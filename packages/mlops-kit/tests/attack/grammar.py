"""Requests drawn from HTTP's grammar, and bent: what a seed draws is drawn by it again."""

from __future__ import annotations

import random

METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"CONNECT", b"get", b"G\x00T", b""]
PATHS = [
    b"/predict",
    b"/healthz",
    b"/",
    b"*",
    b"//",
    b"/%",
    b"/%ff",
    b"/\xff",
    b"http://x/predict",
    b"/predict?%00",
]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/11.1", b"http/1.1", b""]
ENDS = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00\r\n"]
FIELDS = [
    *(b"Host: x", b"Host:", b"Host: x\r\nHost: y", b"hOST: x", b"Host : x", b" folded", b": empty"),
    *(
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: upgrade\r\nUpgrade: websocket",
    ),
    *(
        b"Expect: 100-continue",
        b"Content-Type: application/json",
        b"X-Request-ID: a\x01b",
        b"X-API-Key: \xff",
    ),
    *(
        b"X-Probe: 1",
        b"Content-Encoding: gzip",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
    ),
    *(
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: identity",
        b"Content-Length: 0",
        b"Content-Length: -1",
    ),
    *(
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
        b"Content-Length: 99999999999999999999",
        b"Trailer: X",
    ),
    b"X: " + b"y" * 9000,
]
BITS = [
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\xff" * 9,
    b" ",
    b":",
    b"0",
    b"{",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def case(draw: random.Random, body: bytes) -> bytes:
    """Return what one connection sends: a few requests, of which nearly all are bent somewhere."""
    sent = b"".join(_request(draw, body) for _ in range(draw.choice((1, 1, 1, 2, 3))))
    for _ in range(draw.choice((0, 0, 0, 0, 1, 2))):
        place = draw.randrange(len(sent) + 1)
        cut = place + draw.choice((0, 0, 1, 8, 64))
        sent = sent[:place] + draw.choice((b"", *BITS)) + sent[cut:]
    return sent


def _request(draw: random.Random, body: bytes) -> bytes:
    if draw.random() < 0.8:
        line, end = b"POST /predict HTTP/1.1", b"\r\n"
    else:
        parts = (METHODS, PATHS, VERSIONS)
        line, end = b" ".join(draw.choice(part) for part in parts), draw.choice(ENDS)
    fields = draw.sample(FIELDS, draw.choice((0, 0, 1, 2)))
    if draw.random() < 0.9:
        fields.append(b"Host: x")
    content = draw.choice(
        (body, body, b"", b"{}", b'{"rows": [{}]}', body[: draw.randrange(len(body))])
    )
    if draw.random() < 0.6:
        fields.append(b"Content-Length: %d" % (len(content) + draw.choice((0, 0, 0, 0, 1, -1))))
    elif draw.random() < 0.7:
        fields.append(b"Transfer-Encoding: chunked")
        content = _chunked(draw, content)
    draw.shuffle(fields)
    return line + end + b"".join(field + end for field in fields) + end + content


def _chunked(draw: random.Random, content: bytes) -> bytes:
    pieces = b""
    while content:
        size = draw.randrange(1, 1 + len(content))
        length = draw.choice((b"%x", b"%x", b"%X", b"%x;name=value", b"0%x", b"-%x", b"%x ")) % size
        pieces += length + b"\r\n" + content[:size] + b"\r\n"
        content = content[size:]
    return pieces + draw.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b""))
