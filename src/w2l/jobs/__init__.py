"""One way to run a function over many files, for preparation and for evaluation.

    executor = build_executor("process", workers=4)
    for outcome in executor.map(function, items):   # as they finish, in any order
        ...

A failing item, or one that takes its process down, costs that item only.
"""

from w2l.jobs.executor import Executor, Outcome, SerialExecutor, build_executor
from w2l.jobs.process import ProcessExecutor
from w2l.jobs.ray import RayExecutor, RaySettings

__all__ = [
    "Executor",
    "Outcome",
    "ProcessExecutor",
    "RayExecutor",
    "RaySettings",
    "SerialExecutor",
    "build_executor",
]
