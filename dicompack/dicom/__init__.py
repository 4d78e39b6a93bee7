"""All knowledge of DICOM; the only importer of pydicom; knows no keys and no container."""
