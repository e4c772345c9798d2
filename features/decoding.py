"""Bytes to text without guessing: UTF-8 first, then CP932, otherwise a clear refusal.

Never ``shift_jis``: it fails on ㈱, ① and 髙, which Japanese exports are full of.
"""

from __future__ import annotations

import re

from features.errors import FileUnreadable

__all__ = ["decode"]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HALF_KANA = re.compile("[\uff61-\uff9f]")
_FULL_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
_SAMPLE = 100_000
_OUTSIDE_ASCII = re.compile(rb"[\x80-\xff]")


def decode(name: str, content: bytes, encoding: str | None = None) -> str:
    """Return the text of a file.

    Parameters
    ----------
    name : str
        What error messages call the file.
    content : bytes
        The whole file.
    encoding : {"auto", "utf-8", "utf-8-sig", "cp932"}, optional
        ``auto`` (default): UTF-8 with or without a mark, then CP932, both strictly.

    Raises
    ------
    FileUnreadable
        If the bytes are not in that encoding; names the row where it breaks.
    """
    if content.startswith(_UTF16):
        raise FileUnreadable(f"{name} is in UTF-16. Save it as CSV UTF-8 (in Excel: CSV UTF-8).")
    if encoding == "cp932":
        return _strict(name, content, "cp932", "CP932")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if encoding in ("utf-8", "utf-8-sig"):
            raise _refusal(name, content, error, "UTF-8") from error
        if (read := _OUTSIDE_ASCII.search(content[: error.start])) is not None:
            raise FileUnreadable(
                f"{name} begins as UTF-8 (row {_row(content, read.start())}) and breaks in row "
                f"{_row(content, error.start)}: two encodings are mixed, or the file was cut. "
                "Export it again as CSV UTF-8."
            ) from error
    text = _strict(name, content, "cp932", "UTF-8 nor CP932")
    if _looks_like_euc(content, text):
        raise FileUnreadable(
            f"{name} looks like EUC-JP, not CP932. Save it as CSV UTF-8; if it really is CP932, "
            "write `encoding: cp932` in the source map."
        )
    return text


def _strict(name: str, content: bytes, codec: str, called: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        raise _refusal(name, content, error, called) from error


def _refusal(name: str, content: bytes, error: UnicodeDecodeError, called: str) -> FileUnreadable:
    neither = "neither " if " nor " in called else "not "
    return FileUnreadable(
        f"{name} is {neither}{called}: row {_row(content, error.start)} holds bytes that do not "
        "belong to it. Save it as CSV UTF-8 (in Excel: CSV UTF-8), or correct `encoding` in the "
        "source map."
    )


def _row(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _looks_like_euc(content: bytes, text: str) -> bool:
    """Whether CP932 gives mostly half-width kana where EUC-JP gives ordinary Japanese."""
    start = text[:_SAMPLE]
    if len(_HALF_KANA.findall(start)) <= len(_FULL_JAPANESE.findall(start)):
        return False
    try:
        other = content.decode("euc_jp")
    except UnicodeDecodeError:
        return False
    start = other[:_SAMPLE]
    return len(_FULL_JAPANESE.findall(start)) > len(_HALF_KANA.findall(start))
