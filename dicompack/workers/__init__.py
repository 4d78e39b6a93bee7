"""Where stages 1 to 4 run: an instance at a time, in processes that may die without taking a run along.

A worker takes the path of a source and gives the path of a sealed object; in between the instance is in its
memory only. What crosses the border between processes is paths, facts, and once, at the start, the keys: by
inheritance where processes are forked, through a pipe where they are not. Processes, because the codec holds
the GIL, and because a decoder may hang, crash, or ask for all memory there is: each task has its limits.
"""

from dicompack.workers.cluster import Cluster, Scheduler
from dicompack.workers.frames import Frames, frames_of_large
from dicompack.workers.limits import Allowance, Demand, forbid_core_dumps, missing_limits, total_memory
from dicompack.workers.processes import Processes, available_cores, inherit
from dicompack.workers.running import Place, WorkerDiedError, Workers

__all__ = [
    "Workers",
    "WorkerDiedError",
    "Place",
    "Processes",
    "Cluster",
    "Scheduler",
    "Allowance",
    "Demand",
    "available_cores",
    "forbid_core_dumps",
    "Frames",
    "frames_of_large",
    "inherit",
    "missing_limits",
    "total_memory",
]
