"""What is seen during a run, from a false /proc and /sys that the test turns the hands of."""

import os

import pytest

from edge.bench.conditions import Watch, tree_cpu_seconds, tree_memory_mb, tree_own_memory_mb, whole_joules

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def machine(tmp_path):
    """Writes a file of the false tree; `stat` sets the times of the machine and of this process."""

    class Machine:
        root = tmp_path

        def write(self, name, content):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")

        def stat(self, *, busy, idle, steal, own):
            self.write("proc/stat", f"cpu  {busy * TICKS} 0 0 {idle * TICKS} 0 0 0 {steal * TICKS} 0 0")
            self.process(os.getpid(), own)

        def process(self, pid, seconds, name="python (x) y"):
            self.write(f"proc/{pid}/stat", f"{pid} ({name}) S {'0 ' * 10}{seconds * TICKS} 0 0 0 20")

    made = Machine()
    made.stat(busy=100, idle=1000, steal=0, own=50)
    return made


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    made = Clock()
    monkeypatch.setattr("edge.bench.conditions.time.monotonic", made)
    return made


def test_own_work_is_told_from_others_and_from_the_hypervisor(machine):
    watch = Watch(machine.root)
    machine.stat(busy=160, idle=1030, steal=10, own=70)
    found = watch.conditions()
    assert (found.own_share, found.others_share, found.steal_share) == (0.2, 0.4, 0.1)


def test_children_count_as_own_work(machine):
    machine.write(f"proc/{os.getpid()}/task/1/children", "77 ")
    machine.write("proc/77/task/77/children", "78 ")
    machine.process(77, 3)
    machine.process(78, 4)
    assert tree_cpu_seconds(os.getpid(), machine.root) == 57.0
    machine.write(f"proc/{os.getpid()}/smaps_rollup", "Rss: 9000 kB\nPss: 2048 kB")
    machine.write("proc/78/status", "VmRSS:\t 1024 kB")
    assert tree_memory_mb(os.getpid(), machine.root) == 3.0


def test_own_memory_leaves_out_the_libraries_that_others_may_share(machine):
    rollup = "Pss: 9216 kB\nPss_Anon: 2048 kB\nPss_File: 6144 kB\nPss_Shmem: 1024 kB"
    machine.write(f"proc/{os.getpid()}/smaps_rollup", rollup)
    assert tree_own_memory_mb(os.getpid(), machine.root) == 3.0
    machine.write(f"proc/{os.getpid()}/smaps_rollup", "Pss: 9216 kB")
    assert tree_own_memory_mb(os.getpid(), machine.root) == 9.0


def test_throttle_events_of_the_run_alone_are_counted(machine):
    machine.write("sys/class/hwmon/hwmon3/oc1_event_cnt", 7)
    machine.write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", 4)
    machine.write("sys/class/thermal/cooling_device0/type", "cpu-throttle-alert")
    machine.write("sys/class/thermal/cooling_device0/cur_state", 1)
    machine.write("sys/class/thermal/cooling_device1/type", "pwm-fan")
    machine.write("sys/class/thermal/cooling_device1/cur_state", 3)
    watch = Watch(machine.root)
    machine.write("sys/class/hwmon/hwmon3/oc1_event_cnt", 9)
    assert watch.conditions().throttled == {
        "hwmon/hwmon3/oc1_event_cnt": 2,
        "cpu-throttle-alert/cooling_device0": 1,
    }


def test_hottest_reading_and_range_of_clocks_are_kept(machine, clock):
    zone, clocks = "sys/class/thermal/thermal_zone0", "sys/devices/system/cpu/cpufreq/policy0"
    machine.write(f"{zone}/type", "gpu-thermal")
    machine.write("sys/class/thermal/thermal_zone1/temp", -256000)  # a zone that is switched off
    readings = [(51000, 2201600), (63500, 1190400), (58000, 729600)]
    watch = None
    for celsius, khz in readings:
        machine.write(f"{zone}/temp", celsius)
        machine.write(f"{clocks}/scaling_cur_freq", khz)
        watch = watch or Watch(machine.root)
        clock.now += 1.0
        watch.look()
    found = watch.conditions()
    assert found.celsius == {"gpu-thermal": 63.5}
    assert found.khz == {"policy0": (729600, 2201600)}


def test_energy_of_an_ina3221_is_power_over_time(machine, clock):
    chip = "sys/class/hwmon/hwmon1"
    machine.write(f"{chip}/name", "ina3221")
    machine.write(f"{chip}/in1_label", "VDD_IN")
    machine.write(f"{chip}/in1_input", 5000)  # mV
    machine.write(f"{chip}/curr1_input", 2000)  # mA
    machine.write("sys/class/hwmon/hwmon2/name", "nvme")
    watch = Watch(machine.root)
    for _ in range(4):
        clock.now += 0.5
        watch.look()
    assert watch.conditions().joules == {"VDD_IN": 20.0}


def test_energy_counter_of_a_package_may_wrap(machine):
    zone = "sys/class/powercap/intel-rapl:0"
    machine.write(f"{zone}/name", "package-0")
    machine.write(f"{zone}/max_energy_range_uj", 262_000_000)
    machine.write(f"{zone}/energy_uj", 261_000_000)
    watch = Watch(machine.root)
    machine.write(f"{zone}/energy_uj", 2_000_000)
    assert watch.conditions().joules == {"package-0": 3.0}


def test_what_lies_inside_a_package_or_around_all_is_not_counted_beside_it(machine):
    zones = {"0": "package-0", "0:0": "core", "0:2": "dram", "1": "package-1", "2": "psys"}
    for number, name in zones.items():
        machine.write(f"sys/class/powercap/intel-rapl:{number}/name", name)
        machine.write(f"sys/class/powercap/intel-rapl:{number}/max_energy_range_uj", 262_000_000)
        machine.write(f"sys/class/powercap/intel-rapl:{number}/energy_uj", 1_000_000)
    watch = Watch(machine.root)
    for number in zones:
        machine.write(f"sys/class/powercap/intel-rapl:{number}/energy_uj", 2_000_000)
    assert watch.conditions().joules == {"package-0": 1.0, "package-1": 1.0}


@pytest.mark.parametrize(
    ("joules", "whole"),
    [
        ({"VDD_IN": 9.0, "VDD_CPU_GPU_CV": 4.0, "VDD_SOC": 2.0}, 9.0),
        ({"package-0": 3.0, "package-1": 4.0}, 7.0),
        ({"VDD_GPU_SOC": 3.0, "VIN_SYS_5V0": 4.0, "VDDQ_VDD2_1V8AO": 1.0}, None),
        ({}, None),
    ],
)
def test_rails_that_hold_each_other_are_not_added(joules, whole):
    assert whole_joules(joules) == whole


def test_machine_without_sensors_gives_empty_records(machine):
    found = Watch(machine.root).conditions()
    assert (found.celsius, found.throttled, found.khz, found.joules) == ({}, {}, {}, {})
