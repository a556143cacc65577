"""Processes that are started together."""

import os

import pytest

import jtorch
from jtorch import multiprocessing as mp


def put(index, queue):
    queue.put(jtorch.arange(2) + index)


def fail_second(index):
    if index == 1:
        raise ValueError("the second one")


def leave_well(index):
    os._exit(0)


def leave(index):
    os._exit(3)


def test_spawn_runs_each_and_tensors_travel():
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(put, (queue,), nprocs=2)
    assert sorted(queue.get().tolist() for _ in range(2)) == [[0, 1], [1, 2]]


def test_a_failure_comes_back_with_its_traceback():
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: the second one") as caught:
        mp.spawn(fail_second, nprocs=2)
    assert caught.value.error_index == 1


def test_an_exit_code_comes_back():
    context = mp.start_processes(leave, nprocs=1, join=False, start_method="spawn")
    with pytest.raises(mp.ProcessExitedException, match="exit code 3"):
        context.join()


def test_spawn_warns_of_another_method():
    with pytest.warns(FutureWarning, match=r"'spawn' only \(got: fork\)"):
        mp.spawn(leave_well, nprocs=1, start_method="fork")
