"""torch.profiler: which steps are traced, and what is in the trace."""

import json

import pytest

import jtorch
from jtorch.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)


def work():
    with record_function("my own name"):
        return (jtorch.ones(200, 200) @ jtorch.ones(200, 200)).sum().item()


def test_schedule():
    none, warm, record, save = list(ProfilerAction)[:4]
    chosen = schedule(wait=1, warmup=1, active=2, repeat=1, skip_first=1)
    assert [chosen(i) for i in range(7)] == [none, none, warm, record, save, none, none]
    assert [schedule(wait=0, warmup=0, active=1)(i) for i in range(3)] == [save] * 3
    with pytest.raises(AssertionError, match="Invalid profiler schedule arguments. Got wait=-1"):
        schedule(wait=-1, warmup=0, active=1)


def test_a_trace(tmp_path):
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        work()
    rows = {row.key: row for row in prof.key_averages()}
    mine = rows["my own name"]
    assert mine.count == 1 and mine.cpu_time == mine.cpu_time_total > 0 and mine.device_time_total == 0
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=200)
    assert "my own name" in table and "# of Calls" in table
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert any(e.get("name") == "my own name" for e in events)
    with pytest.raises(AttributeError):
        prof.key_averages().table(sort_by="nothing")


def test_steps(tmp_path):
    seen = []
    plan = schedule(wait=1, warmup=1, active=2, repeat=2)

    def ready(prof):
        seen.append(next(row.count for row in prof.key_averages() if row.key == "my own name"))
        tensorboard_trace_handler(str(tmp_path), "worker")(prof)

    with profile(schedule=plan, on_trace_ready=ready) as prof:
        for _ in range(9):
            work()
            prof.step()
    assert seen == [2, 2] and len(list(tmp_path.glob("worker.*.pt.trace.json"))) == 2


def test_no_trace_yet():
    with pytest.raises(AssertionError, match="must be stopped"):
        profile().key_averages()
    assert ProfilerActivity.CPU in supported_activities()
