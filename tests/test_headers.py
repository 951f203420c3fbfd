"""The size in a picture's header, against the encoder's, and pictures that lie about it."""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_frames import Connection, frame, jpeg, mjpeg_server, number_of
from hypothesis import given
from hypothesis import strategies as st

from edgedigits.device.sources import open_source
from edgedigits.errors import DataError
from edgedigits.picture_files import read_picture
from edgedigits.picture_headers import LARGEST, is_sensible, pixels

SIZES = st.tuples(st.integers(1, 300), st.integers(1, 300))


@given(
    SIZES,
    st.booleans(),
    st.sampled_from(
        [
            (".png", []),
            (".jpg", []),
            (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
            (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 2, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
        ]
    ),
)
def test_sizes_are_the_encoders(
    size: tuple[int, int], grey: bool, kind: tuple[str, list[int]]
) -> None:
    shape = size[::-1] if grey else (*size[::-1], 3)
    good, data = cv2.imencode(kind[0], np.full(shape, 99, np.uint8), kind[1])
    assert good
    assert pixels(data.tobytes()) == size
    assert is_sensible(data.tobytes())
    # What stands before the size may be long: a comment and filling bytes.
    if kind[0] == ".jpg":
        longer = b"\xff\xd8\xff\xfe\x00\x0chello \xff\xc0xy\xff\xff" + data.tobytes()[2:]
        assert pixels(longer) == size


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xc0"]))
def test_anything_gives_a_size_or_none(tail: bytes, head: bytes) -> None:
    found = pixels(head + tail)
    assert found is None or all(0 <= side < 1 << 16 for side in found)


def lying(width: int, height: int) -> bytes:
    data = bytearray(jpeg(1))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def test_the_largest_camera_is_sensible_and_more_is_not() -> None:
    assert is_sensible(lying(9248, 6944))
    assert not is_sensible(lying(10_000, LARGEST // 10_000 + 1))
    assert not is_sensible(lying(65_535, 65_535))
    assert not is_sensible(lying(0, 100))
    assert not is_sensible(b"GIF89a")
    assert not is_sensible(b"")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_file_of_more_pixels_than_can_be_decoded(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"large.{suffix}"
    if suffix == "jpg":
        file.write_bytes(lying(60_000, 50_000))
    else:
        data = bytearray(cv2.imencode(".png", frame(7))[1].tobytes())
        data[16:24] = (60_000).to_bytes(4, "big") + (50_000).to_bytes(4, "big")
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        file.write_bytes(data)
    with pytest.raises(DataError, match=r"large\..*, 60,000×50,000 pixels, is too large") as caught:
        read_picture(file)
    assert "\n" not in str(caught.value)


def test_a_picture_that_would_fill_the_memory_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def send(connection: Connection) -> None:
        connection.begin()
        for _ in range(20):
            connection.part(lying(20_000, 20_000))
        connection.part(cv2.imencode(".png", frame(7))[1].tobytes())
        connection.stall()

    with mjpeg_server(send) as url:
        source = open_source(url, timeout=30)
        began = time.monotonic()
        image: Any = source.read()
        assert time.monotonic() - began < 5  # a second or more each, if they were decoded
        assert number_of(image) == 7
        source.close()
