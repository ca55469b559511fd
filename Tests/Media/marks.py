"""Marks in pictures and sound that tell the time in the source, and how they are read after any conversion.

A picture is a grid of 16 × 9 cells. The upper six rows are three rows of eight squares, black or white: 16 bits of the time in
fiftieths of a second as a Gray code, most significant first, a check digit of 4 bits, and white, black, white, black to compare
with. No square changes from each fiftieth to the next and back: woven fields of one parity would be all alike, and a deinterlacer
would take the square for a still one. Below are bars of eight colours, and at the bottom a white block that moves by its own width
from picture to picture.

The sound is a tone whose pitch steps up each half second, through 24 pitches.
"""

import math
import struct

COLUMNS, ROWS = 16, 9
# As SMPTE's, with three quarters of the brightness.
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (16, 16, 16)]
STEP = 0.5
LOWEST, DISTANCE, PITCHES = 400, 100, 24
SAMPLE_RATE = 48_000
# That of what is read.
READ_RATE = 8000
# Seconds: the sound that decides on one pitch, and from one such window to the next.
WINDOW, HOP = 0.05, 0.025
SILENT = "silent"


def check_digit(value):
    """Of all but the two least bits, as above."""
    value &= ~3
    return (9 + sum(weight * (value >> shift & 15) for weight, shift in ((1, 0), (3, 4), (5, 8), (7, 12)))) & 15


def picture(seconds, index):
    """The cells, as RGB, row by row; `index` decides where the block is."""
    value = round(seconds * 50)
    bits = (value ^ value >> 1) << 8 | check_digit(value) << 4 | 0b1010
    rows = []
    for row in range(3):
        line = b"".join((b"\xEB" if bits >> (23 - row * 8 - column) & 1 else b"\x10") * 6 for column in range(8))
        rows += [line, line]
    bars = b"".join(bytes(colour) * 2 for colour in BARS)
    block = b"".join((b"\xEB" if column // 2 == index % 8 else b"\x60") * 3 for column in range(COLUMNS))
    return b"".join([*rows, bars, bars, block])


def read_picture(cells):
    """The time in hundredths of a second, or None where the marks cannot be read."""
    def luma(column, row):
        total = 0
        for y in (2 * row, 2 * row + 1):
            at = (y * COLUMNS + 2 * column) * 3
            total += sum(cells[at:at + 6])
        return total / 12

    squares = [luma(column, row) for row in range(3) for column in range(8)]
    white, black = (squares[20] + squares[22]) / 2, (squares[21] + squares[23]) / 2
    if white - black < 30:
        return None
    bits = 0
    for square in squares:
        share = (square - black) / (white - black)
        if 0.35 < share < 0.65:
            return None
        bits = bits << 1 | (share > 0.5)
    value = 0
    for shift in range(15, -1, -1):
        value |= (bits >> (8 + shift) & 1 ^ value >> (shift + 1) & 1) << shift
    return 2 * value if bits & 255 == check_digit(value) << 4 | 0b1010 else None


def read_bars(cells):
    """The colours of the bars, left to right."""
    colours = []
    for bar in range(8):
        total = [0, 0, 0]
        for row in (6, 7):
            for column in (2 * bar, 2 * bar + 1):
                at = (row * COLUMNS + column) * 3
                for part in range(3):
                    total[part] += cells[at + part]
        colours.append(tuple(part / 4 for part in total))
    return colours


def pitch(index):
    return LOWEST + DISTANCE * (index % PITCHES)


def tone(start, end):
    """The sound of these seconds of the source: 16 bit, mono."""
    samples, phase = [], 0.0
    for number in range(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)):
        phase += 2 * math.pi * pitch(int(number / SAMPLE_RATE / STEP)) / SAMPLE_RATE
        samples.append(int(9000 * math.sin(phase)))
    return struct.pack(f"<{len(samples)}h", *samples)


def silence(seconds):
    return bytes(2 * round(seconds * SAMPLE_RATE))


def other_tone(seconds, frequency):
    """A tone that no time has."""
    samples = [int(9000 * math.sin(2 * math.pi * frequency * number / SAMPLE_RATE)) for number in range(round(seconds * SAMPLE_RATE))]
    return struct.pack(f"<{len(samples)}h", *samples)


def read_frequencies(content):
    """[(middle of the window in seconds, hertz, SILENT, or None where nothing clear is heard)], of 16 bit mono at READ_RATE."""
    samples = struct.unpack(f"<{len(content) // 2}h", content[:len(content) // 2 * 2])
    size, hop = int(WINDOW * READ_RATE), int(HOP * READ_RATE)
    heard = []
    for start in range(0, len(samples) - size + 1, hop):
        heard.append(((start + size / 2) / READ_RATE, frequency(samples[start:start + size])))
    return heard


def frequency(samples):
    if sum(map(abs, samples)) / len(samples) < 150:
        return SILENT
    crossings = []
    before = samples[0]
    for number, sample in enumerate(samples):
        if before < 0 <= sample:
            crossings.append(number - sample / (sample - before))
        before = sample
    if len(crossings) < 4:
        return None
    mean = (crossings[-1] - crossings[0]) / (len(crossings) - 1)
    # Two pitches in one window: their waves differ in length.
    if any(abs(later - earlier - mean) > 0.35 * mean for earlier, later in zip(crossings, crossings[1:])):
        return None
    return READ_RATE / mean


def read_step(hertz):
    """The number of the pitch; None where it is none, SILENT where nothing is heard."""
    if hertz is None or hertz == SILENT:
        return hertz
    step = round((hertz - LOWEST) / DISTANCE)
    return step if abs(hertz - LOWEST - step * DISTANCE) < 30 and 0 <= step < PITCHES else None
