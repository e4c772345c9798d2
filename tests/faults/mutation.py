"""Random changes of bytes, the same for the same seed."""

from __future__ import annotations

import random

__all__ = ["mutated"]

_TOKENS = (
    b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",",
    b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b"[" * 200, b"NaN", b"Infinity", b"1e400",
    b"-", b"0", b"9" * 400, b"null", b"true", b"%00", b"%", b"/../", b"?", b"&", b"=", b";",
    b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"X: " + b"y" * 9_000 + b"\r\n", b"HTTP/9.9", b"GET ", b"POST ", b"\r\n\r\n", b"0\r\n\r\n", b"=1+1", b"'",
    "株式会社".encode(), "\u202e".encode(), b"\x1b[2J",
)  # fmt: skip


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return one of the seeds after some random changes."""
    body = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 10))):
        place = chance.randrange(len(body) + 1)
        until = min(len(body), place + chance.choice((1, 1, 2, 5, 20, 100)))
        change = chance.randrange(7)
        if change == 0 and place < len(body):
            body[place] ^= 1 << chance.randrange(8)
        elif change == 1 and place < len(body):
            body[place] = chance.randrange(256)
        elif change == 2:
            del body[place:until]
        elif change == 3:
            body[place:place] = body[place:until] * chance.choice((1, 2, 50))
        elif change == 4:
            other = chance.choice(seeds)
            begin = chance.randrange(len(other) + 1)
            body[place:until] = other[begin : begin + 60]
        elif change == 5:
            del body[place:]
        else:
            body[place:place] = chance.choice(_TOKENS)
    return bytes(body)
