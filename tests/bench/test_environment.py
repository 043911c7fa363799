"""The record of a machine, read from a tree that looks like a Jetson's and from an empty one."""

import pytest

from edge.bench.environment import read_environment


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def jetson(tmp_path):
    write(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
            "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd42\n",
            "proc/meminfo": "MemTotal:       64349076 kB\n",
            "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
            "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3\n",
            "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=MODE_30W >\n",
            "var/lib/nvpmodel/status": "pmode:0002\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq": "729600\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq": "1728000\n",
            "sys/class/devfreq/17000000.gpu/governor": "nvhost_podgov\n",
            "sys/class/devfreq/17000000.gpu/min_freq": "306000000\n",
            "sys/class/devfreq/17000000.gpu/max_freq": "612000000\n",
            "sys/devices/system/cpu/isolated": "10-11\n",
            "sys/kernel/realtime": "1\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
    )
    return tmp_path


def test_jetson_is_told_with_power_mode_and_clocks(jetson):
    found = read_environment(jetson)
    assert found.board == "NVIDIA Jetson AGX Orin Developer Kit"
    assert found.cpu == "0xd42"
    assert found.vector == ["asimd", "asimddp"]
    assert found.power_mode == "2 MODE_30W"
    assert found.clocks == {
        "policy0": "schedutil 729600-1728000 kHz",
        "17000000.gpu": "nvhost_podgov 306000000-612000000 Hz",
    }
    assert (found.isolated, found.realtime, found.cpu_quota) == ("10-11", True, 1.5)
    assert (found.system, found.memory_mb) == ("Ubuntu 22.04.5 LTS", 62840)
    assert found.l4t == "# R36 (release), REVISION: 4.3"


def test_power_mode_without_its_name_is_still_told(jetson):
    (jetson / "etc/nvpmodel.conf").unlink()
    assert read_environment(jetson).power_mode == "2"


def test_x86_tells_boost_and_whether_it_is_virtual(tmp_path):
    write(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: AMD EPYC\nflags\t\t: fpu avx2 hypervisor avx512_vnni\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "1\n",
        },
    )
    found = read_environment(tmp_path)
    assert found.cpu == "AMD EPYC"
    assert found.vector == ["avx2", "avx512_vnni"]
    assert found.virtual
    assert found.boost is False


def test_machine_that_says_nothing_is_recorded_as_such(tmp_path):
    found = read_environment(tmp_path)
    assert found.cpu == "unknown"
    assert (found.board, found.power_mode, found.boost, found.cpu_quota, found.clocks) == (
        None,
        None,
        None,
        None,
        {},
    )
    assert found.packages["numpy"]
