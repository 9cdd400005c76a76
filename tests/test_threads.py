"""Threads: how many, the same bits with any number, and calls at once, across fork and at exit."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import build

import pygrad
from pygrad import kernels
from pygrad.threads import _cgroup_cpus, register_with_threadpoolctl

Array = np.ndarray[Any, Any]


pytestmark = pytest.mark.usefixtures("restore_threads")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )


def test_number_is_set_and_kept_in_range() -> None:
    pygrad.set_num_threads(3)
    assert pygrad.get_num_threads() == 3
    pygrad.set_num_threads(np.int64(2))
    assert pygrad.get_num_threads() == 2
    for wrong in (0, -1, 1025):
        with pytest.raises(RuntimeError, match=f"threads is {wrong}, expected a positive integer"):
            pygrad.set_num_threads(wrong)
    for no_number in (1.0, "2", None):
        with pytest.raises(TypeError, match="threads is a"):
            pygrad.set_num_threads(no_number)  # type: ignore[arg-type]
    assert pygrad.get_num_threads() == 2


def test_environment_chooses_the_number() -> None:
    code = "import pygrad; print(pygrad.get_num_threads())"
    assert run(code, PYGRAD_NUM_THREADS="5").stdout == "5\n"
    for wrong in ("0", "-1", "two", "", "1.5", "2000", "4_0", " 4 ", "+4", "\N{ARABIC-INDIC DIGIT FOUR}", "9" * 5000):
        done = run(code, PYGRAD_NUM_THREADS=wrong)
        assert done.returncode != 0
        assert f"PYGRAD_NUM_THREADS='{wrong}': expected a number of threads from 1 to 1024" in done.stderr


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"),
    reason="leaves itself one CPU, for which this system has no os.sched_setaffinity",
)
def test_default_follows_affinity() -> None:
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{cpu}]); import pygrad; print(pygrad.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "PYGRAD_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == "1\n"


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="asks Linux's /proc for the threads whose CPUs it compares"
)
def test_workers_that_were_woken_may_run_anywhere() -> None:
    """A worker is woken on another CPU than the caller's, and afterwards has all of the process again."""
    code = (
        "import os, time, numpy, pygrad; from pygrad import kernels\n"
        "pygrad.set_num_threads(4); a = numpy.ones((512, 512))\n"
        "for _ in range(3): kernels.matmul(a, a); time.sleep(0.1)\n"
        "def affinities(): return [os.sched_getaffinity(int(task)) for task in os.listdir('/proc/self/task')]\n"
        "end = time.monotonic() + 30  # one that waits for a CPU has not run yet\n"
        "while any(a != os.sched_getaffinity(0) for a in affinities()) and time.monotonic() < end: time.sleep(0.01)\n"
        "for affinity in affinities(): print(sorted(affinity))"
    )
    tasks = run(code, OPENBLAS_NUM_THREADS="1").stdout.splitlines()
    assert len(tasks) >= 4
    assert set(tasks) == {str(sorted(os.sched_getaffinity(0)))}


def test_cgroup_limits(tmp_path: Path) -> None:
    """The least limit on the way up counts; "max" and -1 are none."""
    membership, inner = tmp_path / "cgroup", tmp_path / "fs" / "a" / "b"
    inner.mkdir(parents=True)
    assert _cgroup_cpus(membership, tmp_path / "fs") == np.inf
    membership.write_text("0::/a/b\n")
    (inner / "cpu.max").write_text("max 100000\n")
    assert _cgroup_cpus(membership, tmp_path / "fs") == np.inf
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    assert _cgroup_cpus(membership, tmp_path / "fs") == 1.5
    (inner.parent / "cpu.max").write_text("150000 0\n")
    assert _cgroup_cpus(membership, tmp_path / "fs") == np.inf
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    old = tmp_path / "fs" / "cpu,cpuacct" / "job"
    old.mkdir(parents=True)
    membership.write_text("4:cpu,cpuacct:/job\n3:memory:/job\n")
    (old / "cpu.cfs_quota_us").write_text("-1\n")
    (old / "cpu.cfs_period_us").write_text("100000\n")
    assert _cgroup_cpus(membership, tmp_path / "fs") == np.inf
    (old / "cpu.cfs_quota_us").write_text("400000\n")
    assert _cgroup_cpus(membership, tmp_path / "fs") == 4


def test_an_odd_list_of_cgroups_is_no_error(tmp_path: Path) -> None:
    membership, group = tmp_path / "cgroup", tmp_path / os.fsdecode(b"\xff\x0b")
    membership.write_bytes(b"\nodd\n1:odd\n0::/\xff\x0b\n0::/\0\n")
    assert _cgroup_cpus(membership, tmp_path) == np.inf
    try:
        group.mkdir()
    except OSError:
        pytest.skip("this file system takes names in Unicode only, so no cgroup can have this one")
    (group / "cpu.max").write_text("200000 100000\n")
    assert _cgroup_cpus(membership, tmp_path) == 2


def test_threadpoolctl_governs_pygrad() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    register_with_threadpoolctl()
    register_with_threadpoolctl()
    pygrad.set_num_threads(3)
    mine = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "pygrad"]
    assert [(pool["num_threads"], pool["version"]) for pool in mine] == [(3, pygrad.__version__)]
    with threadpoolctl.threadpool_limits(1):
        assert pygrad.get_num_threads() == 1
    assert pygrad.get_num_threads() == 3


# rows, inner, columns that threads are worth: by parts of the result, bands of its rows, parts of panels, blocks and
# groups of rows, and groups of the sum
SHAPES = [
    (2100, 300, 130), (300, 310, 290), (5000, 70, 20), (40000, 12, 2), (33000, 130, 1), (9001, 33, 64), (2, 3, 300000),
    (1, 700, 3000), (9000, 1, 9), (260, 5, 2000), (4097, 257, 65), (2048 * 8, 7, 5),
    (700, 400, 4), (2500, 128, 1), (6100, 40, 3), (3000, 900, 8),
    (1500, 12, 12), (900, 3, 1001), (4400, 30, 70), (20000, 12, 100), (512, 1, 9000),
    (900, 2500, 150), (1000, 2200, 530), (16, 2600, 2100), (60, 700, 2100), (10000, 12, 2), (10000, 64, 16),
    (12300, 60, 150),
]  # fmt: skip


def layer(r: int, k: int, c: int, dtype: type, order: str) -> tuple[Array, Array, Array, Array]:
    random = np.random.default_rng(r + k + c)
    x: Array = np.asarray(random.standard_normal((r, k)), dtype, order=order)  # type: ignore[call-overload]
    w = random.standard_normal((c, k)).astype(dtype).T / dtype(k**0.5)
    return x, w, random.standard_normal(c).astype(dtype), random.standard_normal((2 * r, c)).astype(dtype)[::2]


def everything(x: Array, w: Array, b: Array, dz: Array) -> list[Any]:
    y = np.empty((len(x), w.shape[1]), x.dtype)
    loss, gradients = kernels.dense_sigmoid_value_and_grad(x, w, b)
    return [
        kernels.dense_sigmoid(x, w, b, preactivation=y), y, kernels.matmul(x, w), kernels.matmul(x.T, dz),
        kernels.add(dz, b), kernels.add(dz[:, ::-1], y), kernels.sigmoid(dz), kernels.sigmoid_backward(dz, y),
        *kernels.dense_sigmoid_backward(dz, x, w, y), *kernels.dense_sigmoid_backward(dz, x, w, y, wrt=["w"])[1:2],
        loss, *gradients,
    ]  # fmt: skip


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_bits_with_any_number_of_threads(shape: tuple[int, int, int], dtype: type, order: str) -> None:
    arrays = layer(*shape, dtype, order)
    pygrad.set_num_threads(1)
    expected = everything(*arrays)
    for threads in (2, 3, 8, 33):
        pygrad.set_num_threads(threads)
        for i, (got, wanted) in enumerate(zip(everything(*arrays), expected, strict=True)):
            assert np.array_equal(got, wanted), (threads, i)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_groups_of_rows_whose_sums_have_no_room_at_once(dtype: type) -> None:
    """A group's dw has 2 MB of sums, of which each of two threads keeps one: four groups take two rounds."""
    x, w, b, _ = layer(8192, 270, 1000, dtype, "C")
    results = []
    for threads in (1, 2):
        pygrad.set_num_threads(threads)
        loss, gradients = kernels.dense_sigmoid_value_and_grad(x, w, b)
        results.append([loss, *gradients])
    assert all(np.array_equal(one, two) for one, two in zip(*results, strict=True))


def test_calls_from_many_threads_at_once_share_the_pool() -> None:
    cases = [
        layer(3000, 40, 7, np.float32, "F"),
        layer(200, 150, 180, np.float64, "C"),
        layer(50, 3, 2, np.float32, "C"),
    ]
    pygrad.set_num_threads(1)
    expected = [everything(*arrays) for arrays in cases]
    pygrad.set_num_threads(4)
    wrong: list[tuple[int, int]] = []

    def work(i: int) -> None:
        for _ in range(15):
            for got, wanted in zip(everything(*cases[i % 3]), expected[i % 3], strict=True):
                if not np.array_equal(got, wanted):
                    wrong.append((i, 0))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork to survive")
def test_fork_while_other_threads_compute() -> None:
    """Every child computes what the parent does, with threads of its own, whatever the parent's threads were at."""
    code = """if True:
        import os, threading, warnings
        import numpy as np
        import pygrad
        from pygrad import kernels
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a program with threads
        pygrad.set_num_threads(4)
        a = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
        expected = kernels.matmul(a, a)
        stop = threading.Event()
        def work():
            while not stop.is_set():
                assert np.array_equal(kernels.matmul(a, a), expected)
        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        for _ in range(40):
            child = os.fork()
            if child == 0:
                same = all(np.array_equal(kernels.matmul(a, a), expected) for _ in range(3))
                threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 4
                os._exit(0 if same and threads == 4 else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for worker in workers:
            worker.join()
        print("done")
    """
    done = run(code)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(
    not hasattr(os, "fork") or not Path("/proc/self/task").exists(),
    reason="counts the threads of a forked child in Linux's /proc",
)
def test_fork_during_the_first_use_of_the_pool() -> None:
    """A child that is forked while another thread starts the workers has workers all the same."""
    code = """if True:
        import os, threading, warnings
        import numpy as np
        import pygrad
        from pygrad import kernels
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a program with threads
        pygrad.set_num_threads(4)
        a = np.ones((400, 400), np.float32)
        worker = threading.Thread(target=lambda: kernels.matmul(a, a))
        worker.start()
        child = os.fork()
        if child == 0:
            kernels.matmul(a, a)
            os._exit(0 if len(os.listdir("/proc/self/task")) == 4 else 1)
        assert os.waitpid(child, 0)[1] == 0
        worker.join()
        print("done")
    """
    for _ in range(5):
        done = run(code)
        assert done.stdout == "done\n", done.stderr


def test_exit_while_daemon_threads_compute() -> None:
    code = """if True:
        import threading, time
        import numpy as np
        import pygrad
        from pygrad import kernels
        pygrad.set_num_threads(4)
        a = np.ones((500, 500), np.float32)
        def work():
            while True:
                kernels.matmul(a, a)
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        print("done")
    """
    done = run(code)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_pool_under_thread_sanitizer(tmp_path: Path) -> None:
    """pool.c calls kernels and the pool from several threads; ThreadSanitizer sees every unordered access."""
    program = build("pool.c", tmp_path, "gcc", (), "-fsanitize=thread", "-g")
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this ThreadSanitizer does not know the address layout of this kernel: sysctl vm.mmap_rnd_bits=28")
    assert (done.returncode, done.stdout) == (0, "all tasks ran once\n"), done.stderr
