"""Stage 1: de-identification (PS3.15 Annex E). The way back, for custodians only, is `reidentification`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom.burned_in import DeviceRules, blackening, gate, shipped_rules
from dicompack.dicom.burned_in.blackening import CleanedPixels
from dicompack.dicom.confidentiality import Option, SiteProfile, check_options, deidentify
from dicompack.dicom.confidentiality.dummies import dummy_element
from dicompack.dicom.dataset import DataSet, Element, Sequence
from dicompack.dicom.tags import PIXEL_DATA
from dicompack.dicom.transfer_syntaxes import transfer_syntax
from dicompack.dicom.undescribed import without_undescribed
from dicompack.errors import SuspectError, UsageError
from dicompack.report import Finding
from dicompack.stages.artifacts import Deidentified, Instance

if TYPE_CHECKING:  # word lists, which only cleaning has to read
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary

BURNED_IN = ("stop", "clean", "vouch")
"""What is done about pixels that may show text: refuse them, clean them, or believe a person who looked."""

# What the extra `ocr` installs.
_DETECTOR = ("rapidocr", "onnxruntime")
# Options under which text is cleaned, for which it is good to know the words of the whole study.
_CLEANING = frozenset(
    (
        Option.CLEAN_DESCRIPTORS,
        Option.CLEAN_GRAPHICS,
        Option.CLEAN_STRUCTURED_CONTENT,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.RETAIN_SAFE_PRIVATE,
    )
)
# Findings name this many rectangles at most, so that a report stays readable.
_NAMED_BOXES = 10
_DUMMY_VRS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "TM", "UR")
_BURNED_IN_ANNOTATION = 0x00280301
# Texts that say what was done: De-identification Method and its codes, and the flags beside them.
_STAMPS = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280301, 0x00280303))


@dataclass(frozen=True)
class Policy:
    """What de-identification is to do, the same for every instance of a run."""

    options: frozenset[Option] = frozenset()
    """Those that were asked for; the site profile's come on top."""
    site: SiteProfile | None = None
    burned_in: str = "stop"

    def check(self) -> None:
        """See that it makes sense, and can be done here.

        Raises:
            UsageError: it does not, or cannot.
        """
        check_options(self.effective)
        if self.burned_in not in BURNED_IN:
            raise UsageError(
                f"unknown way with burned-in text: {self.burned_in!r}",
                hint=f"what there is: {', '.join(BURNED_IN)}",
            )
        if self.burned_in == "clean" and not all(map(find_spec, _DETECTOR)):  # BUR-9
            raise UsageError(
                "text detection is not installed", rule="BUR-9", hint="pip install 'dicompack[ocr]'"
            )

    @property
    def effective(self) -> frozenset[Option]:
        """All options that are applied."""
        return self.options | self.site.options if self.site else self.options

    @property
    def claimed(self) -> tuple[str, ...]:
        """The options in the words of the MANIFEST, ascending; without those whose promise a site breaks."""
        weakened = self.site.weakened(self.effective) if self.site else frozenset()
        exceptions = ("site-exceptions",) if weakened else ()
        return tuple(
            sorted([*(one.value for one in self.effective if one.value not in weakened), *exceptions])
        )

    @property
    def retained(self) -> frozenset[int]:
        """Attributes that a site keeps on purpose."""
        return self.site.kept(self.effective) if self.site else frozenset()

    @property
    def needs_vocabulary(self) -> bool:
        """Whether the words of the whole study are wanted."""
        return self.burned_in == "clean" or not self.effective.isdisjoint(_CLEANING)

    @property
    def device_rules(self) -> DeviceRules:
        """Where devices write into the pixels: those of the world and of the site."""
        return shipped_rules() | self.site.devices if self.site else shipped_rules()

    @property
    def values(self) -> Mapping[int, str]:
        """What a site writes, by the tag that it writes it to."""
        return self.site.values() if self.site else {}


def pack(
    item: Instance, project_key: ProjectKey, policy: Policy, vocabulary: Vocabulary | None = None
) -> Deidentified:
    """De-identify by the Basic Application Level Confidentiality Profile and the options of the policy.

    Args:
        item: the instance as it came.
        project_key: what pseudonyms, UIDs and shifts come from.
        policy: what is to be done.
        vocabulary: identifying words of the whole study.

    Raises:
        SuspectError: the pixels are suspect, or the instance holds what cannot be de-identified.
    """
    cleaned = _cleaned_pixels(item, policy, vocabulary)
    data_set, syntax = item.data_set, item.transfer_syntax
    if cleaned is not None:
        # Whether it may be called clean is for the profile to say, which knows what stays.
        said = item.data_set.get(_BURNED_IN_ANNOTATION)
        data_set = cleaned.data_set.without(_BURNED_IN_ANNOTATION).replacing(*([said] if said else []))
        syntax = transfer_syntax(cleaned.transfer_syntax_uid) if cleaned.transfer_syntax_uid else syntax
    data_set, cut = without_undescribed(data_set, syntax)
    result = deidentify(
        data_set,
        project_key.derive,
        policy.options,
        site=policy.site,
        vocabulary=vocabulary,
        pixels_cleaned=cleaned is not None,
        pixels_vouched=policy.burned_in == "vouch",
    )
    face = gate.face_finding(item.data_set)
    found = [*cut, *result.findings, *([face] if face else []), *(_boxes(cleaned) if cleaned else [])]
    return Deidentified(result.data_set, syntax, tuple(found))


def _cleaned_pixels(item: Instance, policy: Policy, vocabulary: Vocabulary | None) -> CleanedPixels | None:
    """The gate: suspect pixels are refused or cleaned, unless a person vouches for them."""
    if policy.burned_in == "vouch":
        return None
    reasons = gate.suspicion(item.data_set, policy.device_rules)
    if not reasons or not gate.REFUSED.isdisjoint(reasons):  # these are refused by the profile itself
        return None
    if policy.burned_in == "stop":
        raise SuspectError(
            "pixels may show identifying text: " + "; ".join(reasons),
            rule="BUR-10",
            hint="look at the pixels: --burned-in clean blackens text, --burned-in vouch lets them pass",
        )
    if PIXEL_DATA not in item.data_set:
        raise SuspectError(
            "its pixels are of a kind that cannot be searched",
            rule="BUR-10",
            hint="look at them yourself; --burned-in vouch lets them pass",
        )
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary

    words = (vocabulary or Vocabulary.of(item.data_set)).words
    return blackening.clean(item.data_set, item.transfer_syntax, words, policy.device_rules)


def _boxes(cleaned: CleanedPixels) -> list[Finding]:
    places = ", ".join(f"({box.x0},{box.y0})-({box.x1},{box.y1})" for box in cleaned.boxes[:_NAMED_BOXES])
    more = f" and {len(cleaned.boxes) - _NAMED_BOXES} more" if len(cleaned.boxes) > _NAMED_BOXES else ""
    done = f"{len(cleaned.boxes)} rectangles blackened: {places}{more}" if places else "nothing blackened"
    message = f"{done}; {cleaned.recheck}"
    return [Finding("pixels-cleaned", "", message, rule="BUR-1")]


def own_values(result: DataSet) -> frozenset[str]:
    """What de-identification writes itself: dummies, and what it says about itself in this result."""
    stamps = DataSet(node for node in result if node.tag in _STAMPS)
    return _dummies() | frozenset(_texts(stamps))


def written_values(source: DataSet, words: Collection[bytes], policy: Policy) -> dict[int, str]:
    """What the site writes, by tag, but for what stands in the source: that is the source's (CHK-2).

    Args:
        source: the instance as it came.
        words: its identifying values.
        policy: whose site it is.
    """
    if not policy.values:
        return {}
    told = {value.strip().lower() for text in _texts(source) for value in (text, *text.split("\\"))}
    return {
        tag: value
        for tag, value in policy.values.items()
        if (folded := value.strip().lower()) not in told and folded.encode("utf-8") not in words
    }


@cache
def _dummies() -> frozenset[str]:
    return frozenset(bytes(dummy_element(0, vr).value).decode("ascii").rstrip() for vr in _DUMMY_VRS)


def _texts(data_set: DataSet) -> Iterator[str]:
    for node in data_set:
        if isinstance(node, Element):
            yield bytes(node.value).decode("ascii", "replace").rstrip(" \0")
        elif isinstance(node, Sequence):
            for item in node.items:
                yield from _texts(item)
