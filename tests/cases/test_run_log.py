"""The run log's file: appended to by many at once, cut by size, never rewritten."""

from __future__ import annotations

import json
import logging
import multiprocessing
import stat
import threading

from workbench.cases.run_log import RunLog

BIG = 10_000_000


def lines(log):
    return list(log.lines())


def write_many(folder, writer, count):
    log = RunLog(folder, max_bytes=BIG, files=2)
    for number in range(count):
        log.append({"writer": writer, "number": number, "text": "x" * 200})


def test_lines_come_back_in_the_order_written(tmp_path):
    log = RunLog(tmp_path / "records", max_bytes=BIG, files=3)
    for number in range(5):
        log.append({"number": number})
    assert [each["number"] for each in lines(log)] == [0, 1, 2, 3, 4]


def test_what_stands_there_is_never_touched_again(tmp_path):
    log = RunLog(tmp_path, max_bytes=BIG, files=3)
    log.append({"number": 1})
    before = (tmp_path / "runs.jsonl").read_bytes()
    RunLog(tmp_path, max_bytes=BIG, files=3).append({"number": 2})
    assert (tmp_path / "runs.jsonl").read_bytes().startswith(before)


def test_threads_and_processes_that_write_at_once_lose_and_mix_nothing(tmp_path):
    log = RunLog(tmp_path, max_bytes=BIG, files=2)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write_many, args=(tmp_path, f"p{n}", 50)) for n in range(2)]
    for process in processes:
        process.start()

    def fill(name):
        for number in range(50):
            log.append({"writer": name, "number": number, "text": "x" * 200})

    threads = [threading.Thread(target=fill, args=(f"t{n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in [*threads, *processes]:
        each.join()
    assert [each.exitcode for each in processes] == [0, 0]
    written = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    for name in ("t0", "t1", "t2", "t3", "p0", "p1"):
        assert [each["number"] for each in written if each["writer"] == name] == list(range(50))


def test_a_full_file_makes_way_and_the_oldest_goes(tmp_path):
    log = RunLog(tmp_path, max_bytes=100, files=3)
    for number in range(40):
        log.append({"number": number, "text": "y" * 20})
    files = sorted(path.name for path in tmp_path.glob("runs*.jsonl"))
    assert files == ["runs.1.jsonl", "runs.2.jsonl", "runs.jsonl"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.glob("runs*.jsonl"))
    kept = [each["number"] for each in lines(log)]
    assert kept == list(range(40 - len(kept), 40))
    assert 3 <= len(kept) < 40


def test_with_one_file_a_full_one_begins_anew(tmp_path):
    log = RunLog(tmp_path, max_bytes=60, files=1)
    for number in range(9):
        log.append({"number": number, "text": "z" * 20})
    assert [path.name for path in tmp_path.glob("runs*.jsonl")] == ["runs.jsonl"]
    assert lines(log)[-1]["number"] == 8


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path):
    log = RunLog(tmp_path, max_bytes=BIG, files=2)
    log.append({"number": 1})
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write('{"number": 2, "te')
    assert [each["number"] for each in lines(log)] == [1]


def test_only_this_user_may_read_it(tmp_path):
    log = RunLog(tmp_path / "records", max_bytes=BIG, files=2)
    log.append({"number": 1})
    assert stat.S_IMODE((tmp_path / "records").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "records/runs.jsonl").stat().st_mode) == 0o600


def test_a_line_that_the_disk_does_not_take_is_told_and_costs_no_run(tmp_path, caplog):
    log = RunLog(tmp_path, max_bytes=BIG, files=2)
    (tmp_path / "runs.jsonl").mkdir()
    with caplog.at_level(logging.WARNING):
        log.append({"number": 1})
    assert "run log" in caplog.text
    assert str(tmp_path) not in caplog.text
