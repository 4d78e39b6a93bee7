"""The text that a person finds who opens a package without DICOMPack. It is part of format version 1."""

README_TEXT = b"""\
DICOMPack package, format version 1: DICOM instances, each signed and encrypted for its recipients.

With DICOMPack (checks origin, completeness and every byte):
  dicompack unpack NAME.dcmpack -d FOLDER --identity MY-KEYS --trust SENDER
By hand (checks neither origin nor completeness):
  1. Several volumes: cat NAME.dcmpack.[0-9]* > all.zip    One volume: it is the ZIP file.
  2. unzip all.zip
  3. mkdir -p DICOM; for each folder CUT/00000012: cat CUT/00000012/* > DICOM/00000012
     CUT/MANIFEST: likewise > MANIFEST
  4. openssl cms -decrypt -binary -inform DER -in DICOM/00000001 -inkey KEY.pem -recip CERT.pem -out 1.dcm
     Exit code not 0: delete 1.dcm. It is forged or damaged, even where it can be viewed.
  5. Signature of an instance: dcmsign --verify +rg +cf SENDER.pem 1.dcm
"""
"""Plain ASCII, lines end with LF, at most 110 characters wide."""
