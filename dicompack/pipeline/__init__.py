"""The order of the stages: the only module that knows it.

::

             pack                                            unpack
      |  deidentification   PS3.15 Annex E                      ^
      |  compression        lossless codestreams  decompress    |
      |  signature          PS3.15 Annex C        verify        |
      |  envelope           CMS                   open          |
      |  package            MANIFEST DIGESTS SEAL check         |
      |  volumes            numbered files        join          |
      v  recovery           Reed-Solomon          repair        |

The first four see one instance at a time and run in worker processes; `INSTANCE_STAGES` walked backwards is
the way back. Nothing has its final name before everything has passed.
"""

from dicompack.pipeline.deidentifying import deidentify
from dicompack.pipeline.packing import pack
from dicompack.pipeline.planning import plan
from dicompack.pipeline.reidentifying import reidentify
from dicompack.pipeline.repairing import repair
from dicompack.pipeline.rewrapping import rewrap
from dicompack.pipeline.stamping import timestamp, timestamp_query
from dicompack.pipeline.unpacking import inspect, test, unpack, verify

__all__ = [
    "pack",
    "deidentify",
    "plan",
    "unpack",
    "verify",
    "test",
    "inspect",
    "repair",
    "rewrap",
    "reidentify",
    "timestamp",
    "timestamp_query",
]
