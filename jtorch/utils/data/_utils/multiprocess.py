"""Iterating over a DataLoader with worker processes.

Each worker has a queue of tasks, and a pipe of its own for results: nothing is shared among them, so that one that is
killed, at whatever moment, leaves no lock behind, and its pipe ends. Batches are handed out round robin and
``prefetch_factor`` of them a worker are under way; what arrives too early waits here.
"""

import itertools
import mmap
import multiprocessing
import os
import signal
import time
from collections import deque
from contextlib import nullcontext
from multiprocessing import connection
from typing import Any

from jtorch._utils import ExceptionWrapper
from jtorch.engine import fork
from jtorch.utils.data._utils.iterate import BaseIterator
from jtorch.utils.data._utils.transfer import AREA_SIZE, unpack
from jtorch.utils.data._utils.worker import CHECK_INTERVAL, Again, Ended, Job, work

JOIN_TIMEOUT = 5.0


class _Worker:
    """One worker process, seen from the program: its queue and pipe, the areas that are free, how much it has to do.

    ``others`` are the pipes of the workers before it: a forked process has copies, and lets them go.
    """

    def __init__(self, number: int, context: Any, job: Job, others: list, count: int) -> None:
        self.number = number
        self.results, sender = context.Pipe(duplex=False)
        self.tasks = context.Queue()
        self.tasks.cancel_join_thread()
        self.active = True  # has not come to the end of its iterable dataset
        self.load = 0
        forked = context.get_start_method() == "fork"
        self.areas = [mmap.mmap(-1, AREA_SIZE) for _ in range(count)] if forked else []
        self.free = list(range(len(self.areas)))
        inherited = [*others, self.results] if forked else []
        args = (job, number, self.areas, self.tasks, sender, inherited, forked)
        self.process = context.Process(target=work, args=args, daemon=True)
        with fork.quietly() if forked else nullcontext(), sender:
            self.process.start()

    def send(self, number: int, indices: Any) -> int | None:
        """Hand out a task; returns the area its batch will lie in."""
        area = self.free.pop() if self.free else None
        self.load += 1
        self.tasks.put((number, area, indices))
        return area


class MultiProcessIterator(BaseIterator):
    """One pass after another with the same worker processes; they end with it."""

    _workers: list[_Worker] = []

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._prefetch_factor = loader.prefetch_factor
        if not self._prefetch_factor:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._in_order = loader.in_order
        self._persistent_workers = loader.persistent_workers
        self._pid = os.getpid()
        context = loader.multiprocessing_context or multiprocessing.get_context()
        job = Job(
            self._dataset, self._auto_collation, self._collate_fn, self._drop_last, self._base_seed,
            loader.worker_init_fn, self._num_workers,
        )  # fmt: skip
        self._workers = []
        self._received: deque[tuple] = deque()
        for i in range(self._num_workers):
            pipes = [worker.results for worker in self._workers]
            self._workers.append(_Worker(i, context, job, pipes, self._prefetch_factor))
        self._start(loader)

    def reset(self, loader: Any) -> None:
        """Begin another pass, with the same workers."""
        for worker in self._workers:
            worker.tasks.put(Again())
        waiting = len(self._workers)
        while waiting:
            worker_id, number, answer = self._receive()
            if isinstance(answer, Again):
                waiting -= 1
            else:  # of the last pass, which was not finished
                self._release(worker_id, number)
        self._start(loader)

    def _start(self, loader: Any) -> None:
        self._begin(loader)
        self._sent = 0  # the number of the next task
        self._given = 0  # the number of the next batch to give
        self._under_way: dict[int, tuple[_Worker, int | None]] = {}  # by task: who has it, and where it will lie
        self._arrived: dict[int, Any] = {}
        self._turn = itertools.cycle(self._workers)
        for worker in self._workers:
            worker.active, worker.load = True, 0
        for _ in range(self._prefetch_factor * self._num_workers):
            self._send_next()

    def _send_next(self) -> None:
        """Hand out the next indices, if there are any and a worker to take them."""
        if not any(worker.active for worker in self._workers):
            return
        try:
            indices = next(self._sampler_iter)
        except StopIteration:
            return
        total = self._prefetch_factor * self._num_workers
        limit = total // sum(worker.active for worker in self._workers)
        for _ in range(self._num_workers):
            worker = next(self._turn)
            if worker.active and (self._in_order or worker.load < limit):
                break
        else:
            return
        self._under_way[self._sent] = worker, worker.send(self._sent, indices)
        self._sent += 1

    def _next_data(self) -> Any:
        while True:
            if not self._under_way and not self._arrived:
                if not self._persistent_workers:
                    self._shut_down()
                raise StopIteration
            if self._in_order:
                self._skip()
                if self._given in self._arrived:
                    return self._give(self._given)
                if not self._under_way:
                    continue
            worker_id, number, answer = self._receive()
            worker, area = self._under_way[number]
            if isinstance(answer, Ended):
                self._release(worker_id, number)
                self._end(worker)
                self._send_next()
                continue
            answer = unpack(answer, worker.areas[area] if area is not None else None)
            self._release(worker_id, number)
            self._arrived[number] = answer
            if not self._in_order:
                return self._give(number)

    def _skip(self) -> None:
        """Go past the numbers of tasks that no batch will come for."""
        while self._given < self._sent and self._given not in self._arrived and self._given not in self._under_way:
            self._given += 1

    def _give(self, number: int) -> Any:
        data = self._arrived.pop(number)
        self._given += self._in_order
        self._send_next()
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    def _release(self, worker_id: int, number: int) -> None:
        worker, area = self._under_way.pop(number)
        worker.load -= 1
        if area is not None:
            worker.free.append(area)

    def _end(self, worker: _Worker) -> None:
        """A worker's dataset has no more: what it still had to do falls away."""
        worker.active = False
        for number in [n for n, (owner, _) in self._under_way.items() if owner is worker]:
            self._release(worker.number, number)

    def _receive(self) -> tuple:
        """The next message of a worker; RuntimeError where it does not come in time, or a worker has died."""
        end = time.monotonic() + (self._timeout or float("inf"))
        while not self._received:
            left = end - time.monotonic()
            if left <= 0:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            pipes: dict[Any, _Worker] = {worker.results: worker for worker in self._workers}
            ready: list[Any] = connection.wait(pipes, min(left, CHECK_INTERVAL))
            for pipe in ready:
                try:
                    self._received.append(pipe.recv())
                except (EOFError, OSError):
                    self._report(pipes[pipe])
            if not ready:  # a process that this program forked elsewhere may hold a dead worker's pipe open
                for worker in self._workers:
                    if not worker.process.is_alive() and not worker.results.poll():
                        self._report(worker)
        return self._received.popleft()

    def _report(self, dead: _Worker) -> None:
        """Raise that a worker is no more."""
        process = dead.process
        process.join(JOIN_TIMEOUT)
        code = process.exitcode
        self._shut_down()
        killed = code is not None and code < 0
        how = f"is killed by signal: {signal.strsignal(-code)}" if killed else f"exited with code {code}"
        raise RuntimeError(f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly") from RuntimeError(
            f"DataLoader worker (pid {process.pid}) {how}. With num_workers=0 the error may show itself."
        )

    def _shut_down(self) -> None:
        workers, self._workers = self._workers, []
        if not workers or self._pid != os.getpid():  # a forked worker has a copy of this object, and no say
            return
        for worker in workers:
            worker.results.close()  # what is still sent ends the worker
            worker.tasks.put(None)
        try:
            for worker in workers:
                worker.process.join(JOIN_TIMEOUT)
                worker.tasks.close()
        finally:
            for worker in workers:
                if worker.process.is_alive():
                    worker.process.terminate()
                    worker.process.join(JOIN_TIMEOUT)

    def __del__(self) -> None:
        self._shut_down()
