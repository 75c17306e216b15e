"""zstd as a stream that notices a cut file: the package's own reader takes it for a whole one."""

import io
from typing import BinaryIO, Final

import zstandard

_BLOCK_BYTES: Final = 1 << 13
"""Unpacked at once, so few: of monotonous text a byte unpacks to a thousand."""


class ZstdFrames(io.RawIOBase):
    """Reads all frames of a file, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        """The frame that has begun and not ended."""
        self._packed = b""
        self._plain = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # Buffer, from 3.12
        """Fill what fits.

        Raises:
            EOFError: The file ends within a frame.
            zstandard.ZstdError: It is damaged.
        """
        while not self._plain:
            if not self._packed:
                self._packed = self._file.read(_BLOCK_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return 0
            self._unpack()
        size = min(len(buffer), len(self._plain))
        buffer[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def _unpack(self) -> None:
        frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._plain = frame.decompress(self._packed)
        self._packed = frame.unused_data if frame.eof else b""
        self._frame = None if frame.eof else frame
