#!/usr/bin/env bash
# Makes the virtual cart in FOLDER: the kernel `linux`, its modules, and `base.raw` with Debian: guest.sh FOLDER
# Each part is made once and kept while what it is made from stays the same. Needs root and apt.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cd "$1"
folder=$PWD

base=$(sha256sum "$here/guest.sh" "$here/kernel.config" | sha256sum | cut -c1-16)
[ ! -e "base-$base" ] || exit 0
rm -f base-* base.raw

kernel=$(sha256sum < "$here/kernel.config" | cut -c1-16)
if [ ! -e "kernel-$kernel" ]; then
    rm -rf modules kernel-*
    source=source-$kernel  # what is compiled there is kept if this is broken off
    if [ ! -e "$source" ]; then
        rm -rf source-*
        mkdir source-part
        # Without other processors and most of what is never built: a third of the files.
        tar -C source-part --strip-components 1 -xf /usr/src/linux-source-6.12.tar.xz \
            --exclude='*/arch/[a-t]*.[chS]' --exclude='*/arch/[a-t]*.dts*' --exclude='*/drivers/gpu/*.[ch]' \
            --exclude='*/drivers/net/ethernet/*.[ch]' --exclude='*/Documentation/[a-z]*' \
            --exclude='*/tools/perf' --exclude='*/tools/testing'
        # With AMX a thread's registers take 11 KB, and the host sets all of them or none.
        sed -i 's/HOST_FP_SIZE, 2696/HOST_FP_SIZE, 12288/' source-part/arch/x86/um/user-offsets.c
        mv source-part "$source"
    fi
    (
        cd "$source"
        export ARCH=um
        make -s defconfig
        scripts/kconfig/merge_config.sh -m .config "$here/kernel.config"
        make -s olddefconfig
        grep -q CONFIG_VIDEO_VIVID=m .config
        make -s -j"$(nproc)" linux modules
        make -s modules_install INSTALL_MOD_PATH="$folder/modules"
        cp linux "$folder"
    ) > kernel.log 2>&1
    touch "kernel-$kernel"
    rm -rf "$source"
fi

packages=systemd,systemd-sysv,dbus,udev,kmod,python3,iproute2,procps
packages+=,libgl1,libglib2.0-0,libice6,libsm6,libx11-6,libxcb1,libxext6
debian=debian-$(echo $packages | sha256sum | cut -c1-16).tar
if [ ! -e "$debian" ]; then
    rm -f debian-*.tar
    sources=/etc/apt/sources.list.d/debian.sources
    [ -e "$sources" ] || sources=/etc/apt/sources.list
    mmdebstrap --quiet --variant=minbase --include=$packages bookworm part.tar "$sources"
    mv part.tar "$debian"
fi

rm -rf root
mkdir root
tar -C root -xf "$debian" --exclude='./dev/*'
cp -r modules/lib/modules root/lib/
echo 'options vivid num_inputs=1 input_types=3 num_outputs=1 output_types=1 node_types=0x101' > root/etc/modprobe.d/vivid.conf
echo vivid > root/etc/modules-load.d/cart.conf
echo cart > root/etc/hostname
printf '/dev/ubda / ext4 defaults 0 1\nshare /share hostfs ro 0 0\n' > root/etc/fstab
mkdir -p root/share root/etc/systemd/system.conf.d
printf '[Manager]\nWatchdogDevice=/dev/watchdog\n' > root/etc/systemd/system.conf.d/cart.conf
cat > root/etc/systemd/system/scenarios.service <<UNIT
[Unit]
After=multi-user.target
RequiresMountsFor=/share
[Service]
WorkingDirectory=/share
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -u -m inside
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0
[Install]
WantedBy=multi-user.target
UNIT
ln -sf /etc/systemd/system/scenarios.service root/etc/systemd/system/multi-user.target.wants/scenarios.service
for unit in getty@tty1.service serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_reap.service e2scrub_all.timer fstrim.timer systemd-timesyncd.service systemd-pstore.service \
    console-getty.service; do
    ln -sf /dev/null "root/etc/systemd/system/$unit"
done
rm -f base.raw
truncate -s 6G base.raw  # the doctor wants room for recordings
mkfs.ext4 -q -d root base.raw
rm -rf root
touch "base-$base"
