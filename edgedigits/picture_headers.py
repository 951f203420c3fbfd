"""The size that a picture's header gives, read before anything of that size is made."""

from __future__ import annotations

LARGEST = 70_000_000  # pixels; the largest camera for a Pi has 64 million

_PNG = b"\x89PNG\r\n\x1a\n"
_ALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers that are followed by no length
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # and those that begin a frame


def pixels(picture: bytes) -> tuple[int, int] | None:
    """Width and height; None of what is neither JPEG nor PNG, or has no header."""
    if picture.startswith(_PNG) and len(picture) >= 24:
        return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")
    if picture.startswith(b"\xff\xd8"):
        return _jpeg(picture)
    return None


def is_sensible(picture: bytes) -> bool:
    """Whether a picture's header gives a size that a camera could have.

    A header with a few wrong bits may give 4,000 million pixels, which a decoder would fill.
    """
    size = pixels(picture)
    return size is not None and 0 < size[0] * size[1] <= LARGEST


def _jpeg(picture: bytes) -> tuple[int, int] | None:
    at = 2
    while (at := picture.find(b"\xff", at)) >= 0 and at + 9 <= len(picture):
        marker = picture[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
        elif marker in _SIZES:
            height = int.from_bytes(picture[at + 5 : at + 7], "big")
            return int.from_bytes(picture[at + 7 : at + 9], "big"), height
        elif marker == 0xDA:  # the picture itself, before any size
            return None
        else:
            at += 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
    return None
