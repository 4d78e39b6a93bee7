"""Our own bytes: ZIP entries, volume frames, and what MANIFEST, DIGESTS and SEAL say.

Knows no DICOM (UIDs are strings), no keys and no CMS; bytes in, bytes out. ``spec/5-package.md`` and
``spec/6-volumes.md`` are the text to this code.

Writing: ``layout.lay_out`` turns names and sizes into positions, ``volume_writer.VolumeWriter`` turns
positions and contents into bytes. Reading: ``volumes.join`` takes the names and sizes out of the
directory, lays them out again with the same code and compares every byte that is not content.
"""
