#!/usr/bin/env bash
# Makes the virtual cart's disk and boot files in FOLDER: guest.sh FOLDER PACKAGE.deb BUNDLE
# The base (kernel and Debian) is made once and kept; the disk is made anew for each package. Needs root and apt.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
folder=$(realpath "$1") deb=$(realpath "$2") bundle=$(realpath "$3")
cd "$folder"
trap 'umount -q "$folder"/root/proc 2>/dev/null || true' EXIT

if [ ! -e base.tar ]; then
    packages=systemd,systemd-sysv,dbus,udev,kmod,python3,v4l-utils,iproute2,procps
    packages+=,libgl1,libxcb1,libx11-6,libxext6,libsm6,libice6
    sources=$(ls /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1)
    mmdebstrap --quiet --variant=minbase --include=$packages bookworm base.tar.part "$sources"
    mv base.tar.part base.tar
fi
if [ ! -e kernel/done ]; then
    mkdir -p kernel
    image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2 }')
    (cd kernel && apt-get download -qq "$image" && dpkg -x "$image"*.deb . && touch done)
fi
version=$(ls kernel/lib/modules)
modules=kernel/lib/modules/$version
depmod -b kernel "$version"

depends() { # the files of modules and of all that they need, in the order of loading
    for name in "$@"; do modprobe -d kernel -S "$version" --show-depends "$name"; done |
        awk '/^insmod/ && !seen[$2]++ { print $2 }' | sed "s|^$folder/||"
}

rm -rf root initramfs
mkdir -p root initramfs/bin initramfs/modules
tar -C root -xf base.tar --exclude='./dev/*'
cp "$deb" root/tmp/sonocart.deb
mknod -m 666 root/dev/null c 1 3
mknod -m 666 root/dev/urandom c 1 9
mount -t proc proc root/proc
chroot root dpkg -i /tmp/sonocart.deb > dpkg.log 2>&1
umount root/proc
rm root/tmp/sonocart.deb
cp -r "$bundle" root/var/lib/sonocart/bundle
chroot root chown -R sonocart:sonocart /var/lib/sonocart

for file in $(depends vivid i6300esb virtio_console) "$modules"/modules.{order,builtin,builtin.modinfo}; do
    install -D -m 644 "$file" "root/${file#kernel/}"
done
depmod -b root "$version"
echo 'options vivid num_inputs=1 input_types=3 node_types=1' > root/etc/modprobe.d/vivid.conf
printf 'vivid\ni6300esb\nvirtio_console\n' > root/etc/modules-load.d/cart.conf
echo cart > root/etc/hostname
echo '/dev/vda / ext4 defaults 0 1' > root/etc/fstab
install -m 755 "$here/inside.py" root/usr/local/bin/inside
cp root/etc/sonocart/sonocart.toml root/usr/local/share/installed.toml
# Emulation on a busy machine is some fifty times slower than a cart; times are measured and reported all the same.
mkdir -p root/etc/systemd/system/sonocart.service.d
printf '[Service]\nWatchdogSec=30\nTimeoutStopSec=60\n' > root/etc/systemd/system/sonocart.service.d/emulation.conf
cat > root/etc/systemd/system/scenarios.service <<UNIT
[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/bin/python3 -u /usr/local/bin/inside
StandardOutput=file:/dev/hvc0
StandardError=file:/dev/hvc0
[Install]
WantedBy=multi-user.target
UNIT
ln -sf /etc/systemd/system/scenarios.service root/etc/systemd/system/multi-user.target.wants/scenarios.service
for unit in getty@tty1.service serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_reap.service e2scrub_all.timer fstrim.timer systemd-timesyncd.service systemd-pstore.service \
    console-getty.service; do
    ln -sf /dev/null "root/etc/systemd/system/$unit"
done

cp /bin/busybox initramfs/bin/busybox
count=0
for file in $(depends virtio_pci virtio_blk ext4); do
    count=$((count + 1))
    cp "$file" "initramfs/modules/$(printf %02d $count).ko"
done
cat > initramfs/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do /bin/busybox insmod $module; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount -o move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
INIT
chmod +x initramfs/init
(cd initramfs && find . | cpio -o -H newc --quiet | gzip -1) > initramfs.gz
cp kernel/boot/vmlinuz-* vmlinuz
rm -f disk.raw
truncate -s 3G disk.raw
mkfs.ext4 -q -d root disk.raw
rm -rf root initramfs
