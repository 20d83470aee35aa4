"""Films of kinds that no encoder at hand writes, made bit by bit: field pictures of H.264, a picture of tiles."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av


class _Bits:
    """Writes bits, as in ITU-T H.264, 7.2 and 9.1."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, bits: int, value: int) -> _Bits:
        self.text += f"{value:0{bits}b}"
        return self

    def ue(self, *values: int) -> _Bits:
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def align(self, filled: str = "0") -> _Bits:
        self.text += filled * (-len(self.text) % 8)
        return self

    def bytes(self, data: bytes) -> _Bits:
        self.text += "".join(f"{byte:08b}" for byte in data)
        return self

    def unit(self, kind: int, importance: int = 1) -> bytes:
        """The NAL unit with its start code and the bytes that keep start codes out of it."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        out = bytearray()
        zeros = 0
        for place in range(0, len(text), 8):
            byte = int(text[place : place + 8], 2)
            if zeros == 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([importance << 5 | kind]) + bytes(out)


def field_pictures(total: int, keyframes: int = 10) -> list[tuple[bytes, bytes]]:
    """`total` grey frames of 32 x 32 pixels in H.264, each coded as two field pictures (PAFF).

    The grey level of frame n is 16 + 3 n. Every picture is of one slice without prediction.
    """
    sps = _Bits().u(8, 77).u(8, 0).u(8, 30).ue(0, 0, 0, 4, 1).u(1, 0).ue(1, 0).u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 0)
    pps = _Bits().ue(0, 0).u(1, 0).u(1, 0).ue(0, 0, 0).u(1, 0).u(2, 0).ue(0, 0, 0).u(1, 1).u(1, 0).u(1, 0)
    frames = []
    for number in range(total):
        place = number % keyframes
        first = place == 0
        fields = []
        for bottom in (0, 1):
            refresh = first and not bottom
            slice_ = _Bits().ue(0, 7, 0).u(4, place % 16).u(1, 1).u(1, bottom)
            if refresh:
                slice_.ue(number // keyframes % 2)
            slice_.u(8, 2 * place + bottom)
            slice_.u(2, 0) if refresh else slice_.u(1, 0)
            slice_.ue(0, 1)
            for _ in range(2):
                slice_.ue(25).align().bytes(bytes([16 + 3 * number] * 256 + [128] * 128))
            fields.append(slice_.unit(5 if refresh else 1))
        head = sps.unit(7) + pps.unit(8) if first else b""
        frames.append((head + fields[0], fields[1]))
    return frames


def write_fields(path: Path, total: int, together: bool = False) -> Path:
    """A file of `field_pictures` at 25 frames a second; `together`: both fields of a frame are one packet."""
    frames = field_pictures(total)
    bare = path.with_name(path.name + ".h264")
    bare.write_bytes(b"".join(one + two for one, two in frames))
    if path.suffix == ".h264":
        return bare.rename(path)
    units = [one + two for one, two in frames] if together else [field for frame in frames for field in frame]
    step = 2 if together else 1
    with av.open(str(bare)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, unit in enumerate(units):
            packet = av.Packet(unit)
            packet.stream = stream
            packet.time_base = Fraction(1, 50)
            packet.pts = packet.dts = number * step
            packet.duration = step
            packet.is_keyframe = unit[4] & 31 == 7
            target.mux(packet)
    bare.unlink()
    return path


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of an ISO base media file."""
    content = b"".join(parts)
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def _numbers(*values: int, size: int = 2) -> bytes:
    return b"".join(value.to_bytes(size, "big") for value in values)


def heic_of_tiles(tiles: list[list[Path]], side: int, turns: int = 0) -> bytes:
    """A HEIC whose picture is a grid of tiles, as phones write them (ISO/IEC 23008-12, 6.6.2.3).

    Args:
        tiles: Rows of MP4 files of one frame of HEVC each, equally coded.
        side: Of a tile, pixels.
        turns: Quarters of a turn, counter-clockwise, by which the picture is to be turned.
    """
    paths = [path for row in tiles for path in row]
    setup = paths[0].read_bytes()
    start = setup.index(b"hvcC") - 4
    setup = setup[start : start + int.from_bytes(setup[start : start + 4], "big")]
    items = []
    for path in paths:
        with av.open(str(path)) as container:
            items.append(next(bytes(packet) for packet in container.demux(video=0)))
    rows = len(tiles)
    columns = len(tiles[0])
    grid = bytes([0, 0, rows - 1, columns - 1]) + _numbers(columns * side, rows * side)
    items.append(grid)
    last = len(items)
    kinds = [b"hvc1"] * (last - 1) + [b"grid"]
    entries = [
        box(b"infe", b"\2\0\0", bytes([hidden]), _numbers(number, 0), kind, b"\0")
        for number, (kind, hidden) in enumerate(zip(kinds, [1] * (last - 1) + [0], strict=True), 1)
    ]
    tile_size = box(b"ispe", bytes(4), _numbers(side, side, size=4))
    whole_size = box(b"ispe", bytes(4), _numbers(columns * side, rows * side, size=4))
    properties = box(b"ipco", setup, tile_size, whole_size, box(b"irot", bytes([turns])))
    uses = [_numbers(number) + bytes([2, 0x81, 2]) for number in range(1, last)]
    uses.append(_numbers(last) + bytes([2, 3, 0x84]))

    def meta(offset: int) -> bytes:
        places = []
        for number, item in enumerate(items, 1):
            places.append(_numbers(number, 0, 1) + _numbers(offset, len(item), size=4))
            offset += len(item)
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), _numbers(last)),
            box(b"iloc", bytes(4), b"\x44\0", _numbers(last), *places),
            box(b"iinf", bytes(4), _numbers(last), *entries),
            box(b"iref", bytes(4), box(b"dimg", _numbers(last, last - 1, *range(1, last)))),
            box(b"iprp", properties, box(b"ipma", bytes(4), _numbers(last, size=4), *uses)),
        )

    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    offset = len(head) + len(meta(0)) + 8
    return head + meta(offset) + box(b"mdat", *items)
