"""Bytes that are rare in text; many of them show that data is none."""

SAMPLE = 1 << 16
"""Bytes that are looked at to find out what data is."""

CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n\v\f\r\x1b")
