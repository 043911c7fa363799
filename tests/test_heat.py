"""The risk slows down before the picture does."""

import pytest

from edge.heat import Heat, Thermometer


@pytest.fixture
def sysfs(tmp_path):
    zone = tmp_path / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    cooler = tmp_path / "class" / "thermal" / "cooling_device0"
    cooler.mkdir()
    (cooler / "type").write_text("Processor\n")
    (cooler / "cur_state").write_text("0\n")

    def warm_to(celsius, state=0):
        (zone / "temp").write_text(f"{round(celsius * 1000)}\n")
        (cooler / "cur_state").write_text(f"{state}\n")

    warm_to(40)
    return tmp_path, zone, cooler, warm_to


def test_levels_follow_the_temperature_with_slack(sysfs):
    root, _, _, warm_to = sysfs
    meter = Thermometer(root)
    said = []
    for celsius in (40, 81, 78, 76, 91, 88, 86, 70):
        warm_to(celsius)
        said.append(meter.look())
    cool, warm, hot = Heat
    assert said == [cool, warm, warm, cool, hot, hot, warm, cool]
    assert meter.celsius == 70


def test_kernels_own_trip_point_comes_first(sysfs):
    root, zone, _, warm_to = sysfs
    (zone / "trip_point_0_type").write_text("passive\n")
    (zone / "trip_point_0_temp").write_text("70000\n")
    meter = Thermometer(root)
    warm_to(66)
    assert meter.look() is Heat.WARM
    warm_to(70)
    assert meter.look() is Heat.HOT


@pytest.mark.parametrize(
    "kind",
    [
        "Processor",
        "cpufreq-cpu0",
        "thermal-cpufreq-0",
        "thermal-devfreq-0",
        "devfreq-17000000.gpu",
        "cpu-throttle-alert",
        "gpu-throttle-alert",
        "intel_powerclamp",
    ],
)
def test_processor_that_the_kernel_slows_is_hot_whatever_the_temperature(sysfs, kind):
    root, _, cooler, warm_to = sysfs
    (cooler / "type").write_text(f"{kind}\n")
    meter = Thermometer(root)
    warm_to(50, state=2)
    assert meter.look() is Heat.HOT
    warm_to(50)
    assert meter.look() is Heat.COOL


@pytest.mark.parametrize(
    "kind", ["pwm-fan", "Fan", "LCD", "TCC Offset", "hot-surface-alert", "iwlwifi_1", ""]
)
def test_what_slows_no_processor_is_no_throttling(sysfs, kind):
    root, _, cooler, warm_to = sysfs
    (cooler / "type").write_text(f"{kind}\n")
    warm_to(50, state=2)
    assert Thermometer(root).look() is Heat.COOL


@pytest.mark.parametrize("text", ["", "hot", "-274000", "999999"])
def test_sensor_that_makes_no_sense_says_nothing(sysfs, text):
    root, zone, _, _ = sysfs
    (zone / "temp").write_text(text)
    meter = Thermometer(root)
    assert meter.look() is Heat.COOL
    assert meter.celsius is None


def test_machine_without_sensors_is_cool(tmp_path):
    meter = Thermometer(tmp_path)
    meter.start()
    meter.close()
    assert meter.level is Heat.COOL


def test_warm_network_is_asked_five_times_a_second(tmp_path):
    meter = Thermometer(tmp_path)
    assert all(meter.due(ms * 1_000_000) for ms in range(0, 1000, 40))
    meter.level = Heat.WARM
    assert sum(meter.due(ms * 1_000_000) for ms in range(1000, 2000, 40)) == 5


def test_hot_risks_still_come_before_they_are_stale():
    from edge.exam.evidence import STALE_AFTER_NS

    assert Heat.COOL.interval_ns == 0 < Heat.WARM.interval_ns < Heat.HOT.interval_ns < STALE_AFTER_NS
