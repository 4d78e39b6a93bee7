"""Value Representations: which exist (PS3.5 §6.2), and which one a tag has (PS3.6)."""

from __future__ import annotations

from functools import lru_cache

# Explicit VR: a 16-bit length follows these (PS3.5 §7.1.2); the others have two reserved bytes and 32 bits.
SHORT_VRS = frozenset("AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
STRING_VRS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())

# Bytes per number, for the swap between byte orders (PS3.5 §7.3); a tag is two numbers of 16 bits.
WORD_BYTES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}  # fmt: skip

# What implicit VR data are where PS3.6 leaves a choice that needs no other attribute (PS3.5 A.1).
_CHOICES = {"OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}


@lru_cache(maxsize=8192)
def dictionary_vr(tag: int) -> str:
    """The VR of a public tag, ``US or SS`` where Pixel Representation decides, ``UN`` where not known."""
    from pydicom import datadict  # a third of a second that commands without DICOM save

    if not tag & 0xFFFF:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = datadict.dictionary_VR(tag)
    except KeyError:
        return "UN"
    return _CHOICES.get(vr, vr if vr in SHORT_VRS | LONG_VRS or vr == "US or SS" else "UN")
