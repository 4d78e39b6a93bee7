"""Every maximum of a package in one place, each with its reason. Sizes are in bytes."""

from __future__ import annotations

MAXIMUM_MEMBERS = 1_000_000
"""A large research cohort; the directory then has about 60 MB and still fits into memory."""

MAXIMUM_SEALS = 9_999
"""Four digits in ``SEAL0001``: one seal for every time the package is passed on."""

MAXIMUM_VOLUMES = 9_999
"""Four digits in the number of a piece (``CUT/00000012/0001``), which grows with the volumes."""

MAXIMUM_COLUMNS = 255
"""Data and parity of the erasure code together: their numbers are different bytes, and one is left over."""

MAXIMUM_VIRTUAL_COLUMNS = 20
"""Of a package in one file: each of its recovery volumes then is 5 % of it."""

MINIMUM_VOLUME_SIZE = 4_096
"""Head, README and tail of the first volume take about 2.6 KB. The directory often asks for more."""

MAXIMUM_VOLUME_SIZE = 1 << 43
"""8 TiB: the table of block hashes, one entry of the ZIP, then has 2 GiB and needs no ZIP64 size."""

MAXIMUM_TOTAL_SIZE = MAXIMUM_VOLUME_SIZE * MAXIMUM_VOLUMES
"""Below 2^57: no sum of sizes leaves 64 bits."""

MAXIMUM_OBJECT_SIZE = 0xFFFF_FFFE
"""The largest ZIP entry without ZIP64 sizes. OpenSSL opens objects up to 1 GiB; larger ones are divided."""

MAXIMUM_PLAINTEXT = 1 << 30
"""Of one sealed object: what OpenSSL opens. A signed instance above it is sealed in parts."""

PART_SIZE = 1 << 29
"""A signed instance above `MAXIMUM_PLAINTEXT` is cut into parts of this size and what is left."""

MAXIMUM_DIRECTORY_SIZE = (2 * MAXIMUM_MEMBERS + MAXIMUM_SEALS + 3 * MAXIMUM_VOLUMES + 4) * 84
"""One directory entry has at most 84 bytes: header 46, name 26, ZIP64 offset 12. Read into memory."""

MAXIMUM_NAME = 4_096
"""Characters of an original's name with its folders: the longest path that Linux takes."""

MAXIMUM_FILE_SIZE = 1 << 33
"""8 GiB: twice what a native Pixel Data element holds, so no writer makes a larger instance. Whatever has to
be reserved for a file, memory or disk, follows from its size."""

MAXIMUM_MANIFEST_SIZE = 1 << 30
"""About 1 KB for each of a million members; also the largest object that OpenSSL opens."""

MAXIMUM_SEAL_SIZE = 1 << 16
"""JSON with 256 recipients has about 18 KB."""

MAXIMUM_RECIPIENTS = 256
"""More is a distribution list, and every object carries a key for each of them."""

MAXIMUM_CERTIFICATE_SIZE = 1 << 14
"""DER of one certificate in the MANIFEST; real ones have 1 to 4 KB, post-quantum ones about 10."""

MAXIMUM_INTEGER_DIGITS = 19
"""Integers in JSON stay below 2^63, so that any language can read them."""

MAXIMUM_PROBLEMS_SHOWN = 20
"""A list of faults is for a person; a thousand more of the same kind say nothing new."""
