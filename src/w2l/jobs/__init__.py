"""One way to do many items, for preparation, for evaluation and for lists of jobs.

`Runner` is what commands use; below it lie executors, which run a function over items:

    executor = build_executor("process", workers=4)
    for outcome in executor.map(function, items):   # as they finish, in any order
        ...

A failing item, or one that takes its process down, costs that item only.
"""

from w2l.jobs.executor import Executor, Outcome, ProcessExecutor, SerialExecutor, build_executor
from w2l.jobs.ray import RayExecutor, RaySettings
from w2l.jobs.runner import Devices, Runner, Stop, check_shared

__all__ = [
    "Devices",
    "Executor",
    "Outcome",
    "ProcessExecutor",
    "RayExecutor",
    "RaySettings",
    "Runner",
    "SerialExecutor",
    "Stop",
    "build_executor",
    "check_shared",
]
