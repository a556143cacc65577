"""Loading data: fetching, workers, and what a forked worker can compute."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import jtorch
from jtorch.utils import data
from jtorch.utils.data._utils.fetch import whole_batch


def rows(n=10):
    return data.TensorDataset(jtorch.arange(2.0 * n).reshape(n, 2), jtorch.arange(n))


def test_batches_hold_the_samples_in_order():
    (x, y), *rest = data.DataLoader(rows(), batch_size=4)
    assert x.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]
    assert y.tolist() == [0, 1, 2, 3]
    assert [len(b[1]) for b in rest] == [4, 2]


@pytest.mark.parametrize(
    "dataset", [rows(), data.Subset(rows(), [4, 2, 9]), data.Subset(data.Subset(rows(), [1, 3]), [1])]
)
def test_a_whole_batch_is_what_samples_collated_are(dataset):
    indices = list(range(len(dataset)))[::-1]
    whole = whole_batch(dataset, indices)
    slow = data.default_collate([dataset[i] for i in indices])
    for a, b in zip(whole, slow, strict=True):
        assert a.dtype is b.dtype
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize(
    "dataset", [data.ConcatDataset([rows()]), data.TensorDataset(jtorch.ones(3, requires_grad=True))]
)
def test_other_datasets_have_no_whole_batches(dataset):
    assert whole_batch(dataset, [0]) is None


def test_getitems_is_asked_for_whole_batches():
    class Many(data.Dataset):
        def __len__(self):
            return 4

        def __getitems__(self, indices):
            return [10 * i for i in indices]

    assert [b.tolist() for b in data.DataLoader(Many(), batch_size=3)] == [[0, 10, 20], [30]]


def test_the_next_batch_runs_what_is_pending():
    total = jtorch.zeros(2, requires_grad=True)
    pending = (total * 3).exp()
    assert pending._value.array is None
    next(iter(data.DataLoader(rows())))
    assert pending._value.array is not None


class Computing(data.Dataset):
    """Uses what NumPy does, what it does not, and writes in place."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        image = jtorch.ones(3, 200, 200)
        image[:, 2:4] = i
        pooled = jtorch.nn.functional.avg_pool2d(image, 100)
        return (
            image,
            pooled,
            jtorch.erfinv(jtorch.tensor(i / 10.0)),
            {"name": str(i), "half": jtorch.tensor([i]).bfloat16()},
        )


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers_compute_what_the_program_would(how):
    (jtorch.ones(300, 300) @ jtorch.ones(300, 300)).sum().item()  # XLA has its threads by now
    alone = list(data.DataLoader(Computing(), batch_size=2))
    with_workers = list(data.DataLoader(Computing(), batch_size=2, num_workers=1, multiprocessing_context=how))
    for a, b in zip(alone, with_workers, strict=True):
        for x, y in zip(a[:3], b[:3], strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-6)
        assert a[3]["name"] == b[3]["name"]
        assert a[3]["half"].dtype is b[3]["half"].dtype is jtorch.bfloat16


def test_forking_is_quiet():
    jtorch.ones(3).sum().item()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(data.DataLoader(rows(), num_workers=1))) == 10


def test_checks_raise_in_workers():
    class Singular(data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, i):
            return jtorch.linalg.cholesky(-jtorch.eye(3))

    with pytest.raises(jtorch.linalg.LinAlgError, match=r"(?s)in DataLoader worker process 0.*positive.definite"):
        list(data.DataLoader(Singular(), num_workers=1))


def test_an_error_whose_class_cannot_travel_comes_as_its_base():
    class Own(LookupError):
        pass

    class Failing(data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, i):
            raise Own("mine")

    with pytest.raises(LookupError, match="(?s)in DataLoader worker process 0.*Own: mine"):
        list(data.DataLoader(Failing(), num_workers=1))


def test_batches_larger_than_the_shared_area_arrive(monkeypatch):
    monkeypatch.setattr("jtorch.utils.data._utils.multiprocess.AREA_SIZE", 4096)
    big = data.TensorDataset(jtorch.arange(40000.0).reshape(4, 10000))
    got = list(data.DataLoader(big, batch_size=2, num_workers=1))
    assert [b[0][:, -1].tolist() for b in got] == [[9999.0, 19999.0], [29999.0, 39999.0]]


def test_tensors_with_a_graph_cannot_leave_a_worker():
    class Graph(data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, i):
            return jtorch.ones(2, requires_grad=True) * 2

    with pytest.raises(RuntimeError, match="non-leaf tensor which requires_grad"):
        list(data.DataLoader(Graph(), num_workers=1))


def test_an_iterator_given_up_ends_its_workers():
    batches = iter(data.DataLoader(rows(), num_workers=2))
    next(batches)
    processes = [w.process for w in batches._workers]
    del batches
    assert not any(p.is_alive() for p in processes)


class Killed(data.Dataset):
    """The worker that is asked for entry 5 is killed."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        if i == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return i


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_a_killed_worker_is_told(how):
    loader = data.DataLoader(Killed(), batch_size=2, num_workers=2, multiprocessing_context=how)
    batches = iter(loader)
    processes = [w.process for w in batches._workers]
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly") as told:
        list(batches)
    assert "killed by signal: Killed" in str(told.value.__cause__)
    assert time.monotonic() - start < 30
    assert not any(p.is_alive() for p in processes)


def test_a_worker_that_is_killed_while_it_sends():
    """Half a message is in the pipe: what comes is an end, and no waiting for the rest."""
    loader = data.DataLoader(
        data.TensorDataset(jtorch.zeros(8, 1 << 20)), num_workers=1, multiprocessing_context="spawn"
    )
    batches = iter(loader)
    (worker,) = batches._workers
    assert worker.results.poll(60)  # larger than a pipe holds, so that the worker waits for us
    os.kill(worker.process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(batches)


ORPHANS = """
import os, sys, time
import jtorch
from jtorch.utils import data

class Slow(data.Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, i):
        time.sleep(0.01)
        return jtorch.zeros(1000)

if __name__ == "__main__":
    batches = iter(data.DataLoader(Slow(), num_workers=2, multiprocessing_context=sys.argv[1]))
    next(batches)
    print(*[w.process.pid for w in batches._workers], flush=True)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), 9)
    if sys.argv[2] == "failed":
        raise SystemExit(1)
"""


@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.parametrize("end", ["killed", "failed", "done"])
def test_no_worker_outlives_its_program(how, end, tmp_path):
    (tmp_path / "program.py").write_text(ORPHANS)
    done = subprocess.run([sys.executable, tmp_path / "program.py", how, end], stdout=subprocess.PIPE, text=True)
    pids = done.stdout.split()
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"workers {pids} go on"
        time.sleep(0.1)


def running(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_persistent_workers_stay():
    loader = data.DataLoader(rows(), num_workers=1, persistent_workers=True)
    pids = set()
    for _ in range(3):
        batches = iter(loader)
        assert [b[1].item() for b in batches] == list(range(10))
        pids.add(batches._workers[0].process.pid)
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_order_may_be_given_up():
    got = [b[1].item() for b in data.DataLoader(rows(), num_workers=2, in_order=False)]
    assert sorted(got) == list(range(10))


def test_custom_batches_are_pinned_where_there_is_an_accelerator(monkeypatch):
    class Batch:
        pinned = False

        def pin_memory(self):
            self.pinned = True
            return self

    def collate(samples):
        return {"batch": [Batch()], "x": samples[0][0]}

    loader = data.DataLoader(rows(), pin_memory=True, collate_fn=collate)
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert not next(iter(loader))["batch"][0].pinned
    monkeypatch.setattr("jtorch.utils.data._utils.iterate.has_accelerator", lambda: True)
    assert next(iter(loader))["batch"][0].pinned


def test_a_loader_cannot_be_pickled_halfway():
    import pickle

    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iter(data.DataLoader(rows())))


def test_workers_start_while_other_threads_compute():
    stop = threading.Event()

    def compute():
        x = jtorch.ones(200, 200)
        while not stop.is_set():
            (x @ x).sum().item()

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            loader = data.DataLoader(rows(), batch_size=4, num_workers=2, timeout=60)
            assert [y.tolist() for _, y in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
