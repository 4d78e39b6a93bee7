"""Who de-identifies: this program, dicognito, and Kitware's dicom-anonymizer; the others where installed."""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom

import dicompack
from tests.deid_benchmark.inputs import Inputs
from tests.deid_benchmark.places import Places, places_of
from tests.deid_benchmark.scorer import Renaming


@dataclass(frozen=True)
class Outcome:
    """What came out, under the SOP Instance UID of the input."""

    outputs: dict[str, Places]
    renaming: Renaming | None
    """As the program itself tells; None where it does not."""
    left_out: dict[str, str]
    """Reasons, by the SOP Instance UID of the input."""


Contestant = Callable[[Inputs, Path], Outcome]


def ours(options: str, burned_in: str) -> Contestant:
    def run(inputs: Inputs, target: Path) -> Outcome:
        maps = target / "maps.csv"
        target.mkdir()
        report = dicompack.deidentify(
            [inputs.folder], target / "out", deidentify=options, burned_in=burned_in, map_out=maps,
            skip_suspect=True, jobs=1, project_key=dicompack.ProjectKey.new(),
        )  # fmt: skip
        uids, patients = _pairs(maps), {}
        for path in target.glob("maps*"):
            if path != maps:
                patients |= _pairs(path)
        produced = {}
        for path in (target / "out").rglob("*.dcm"):
            one = places_of(path.read_bytes())
            produced[str(one.data_set.SOPInstanceUID)] = one
        by_name = {name: uid for uid, name in inputs.names.items()}
        outputs = {
            uid: produced[uids.get(uid, uid)] for uid in inputs.names if uids.get(uid, uid) in produced
        }
        left_out = {by_name[Path(one.name).name]: one.reason or "" for one in report.skipped}
        return Outcome(outputs, Renaming(uids, patients), left_out)

    return run


def _pairs(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["id_old"]: row["id_new"] for row in csv.DictReader(file)}


def dicognito(inputs: Inputs, target: Path) -> Outcome:
    from dicognito.anonymizer import Anonymizer

    return _each(inputs, target, Anonymizer(seed="benchmark").anonymize)


def dicom_anonymizer(inputs: Inputs, target: Path) -> Outcome:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dataset

    return _each(inputs, target, anonymize_dataset)


def _each(inputs: Inputs, target: Path, anonymize: Callable[[pydicom.Dataset], None]) -> Outcome:
    """A library that changes one Data Set after the other, in place."""
    target.mkdir()
    outputs, left_out = {}, {}
    for uid, name in inputs.names.items():
        data_set = pydicom.dcmread(inputs.folder / name)
        path = target / name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                anonymize(data_set)
                data_set.save_as(path)
                outputs[uid] = places_of(path.read_bytes())
        except Exception as error:  # noqa: BLE001 - theirs: whatever it is, there is no output
            left_out[uid] = type(error).__name__
    return Outcome(outputs, None, left_out)


def peers() -> dict[str, Contestant]:
    """Those that are installed, with their versions; a word about the others."""
    found: dict[str, Contestant] = {}
    for package, module, contestant in (
        ("dicognito", "dicognito", dicognito),
        ("dicom-anonymizer", "dicomanonymizer", dicom_anonymizer),
    ):
        if importlib.util.find_spec(module) is None:
            print(f"{package} is not installed: left out")
            continue
        found[f"{package} {importlib.metadata.version(package)}"] = contestant
    return found
