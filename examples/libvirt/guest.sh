#!/bin/sh
# Makes a small Linux guest from Debian packages: a kernel and an initramfs with the QEMU guest agent, in a folder. Needs no root.
#
#   guest.sh FOLDER      writes FOLDER/vmlinuz and FOLDER/initramfs.gz
#
# The kernel command line chooses how the guest behaves:
#   vmgroup=deaf         neither ACPI nor an agent: it ignores every request to shut down
#   vmgroup=hung         something holds the agent's port and never answers; ACPI works
#   vmgroup=uptime       it writes its uptime to the serial port once a second
set -eu

folder=$(mkdir -p "${1:?name a folder}" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

kernel=$(apt-cache depends --important linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
if [ -z "$kernel" ]; then
  echo 'guest.sh: apt knows no linux-image-cloud-amd64: run apt-get update; other systems than Debian are not supported' >&2
  exit 1
fi
apt-get download -qq "$kernel" busybox-static qemu-guest-agent
for package in *.deb; do dpkg-deb -x "$package" packages; done

mkdir -p root/bin root/sbin root/proc root/sys root/dev root/modules root/run root/var/run root/var/log root/etc/acpi/PWRF root/usr/local/var/run
cp packages/bin/busybox root/bin/busybox 2>/dev/null || cp packages/usr/bin/busybox root/bin/busybox
cp packages/usr/sbin/qemu-ga root/sbin/qemu-ga
for library in $(ldd packages/usr/sbin/qemu-ga | grep -o '/[^ ]*'); do
  mkdir -p "root$(dirname "$library")"
  cp -L "$library" "root$library"
done
# The order in which they are loaded.
modules='virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console button evdev'
for module in $modules; do
  file=$(find packages -name "$module.ko*" | head -n 1)
  [ -z "$file" ] || cp "$file" root/modules/
done

cat > root/init <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in MODULES; do [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko; done
mode=$(sed -n 's/.*vmgroup=\([a-z]*\).*/\1/p' /proc/cmdline)
for port in /sys/class/virtio-ports/*; do
  [ "$(cat $port/name 2>/dev/null)" = org.qemu.guest_agent.0 ] && agent=/dev/$(basename $port)
done
[ "$mode" = deaf ] || acpid
if [ "$mode" = hung ]; then
  [ -z "$agent" ] || sleep 1000000 <> $agent &
elif [ "$mode" != deaf ] && [ -n "$agent" ]; then
  qemu-ga -d -m virtio-serial -p $agent
fi
echo READY
while :; do
  [ "$mode" != uptime ] || echo "UPTIME $(cut -d. -f1 /proc/uptime)"
  sleep 1
done
INIT
sed -i "s/MODULES/$modules/" root/init
printf '#!/bin/busybox sh\necho STOPPING\npoweroff -f\n' > root/etc/acpi/PWRF/00000080
# The agent runs this to shut down.
cp root/etc/acpi/PWRF/00000080 root/sbin/shutdown
chmod 755 root/init root/etc/acpi/PWRF/00000080 root/sbin/shutdown

(cd root && find . | ./bin/busybox cpio -o -H newc 2>/dev/null) | gzip -9 > "$folder/initramfs.gz.new"
cp packages/boot/vmlinuz-* "$folder/vmlinuz.new"
mv "$folder/initramfs.gz.new" "$folder/initramfs.gz"
mv "$folder/vmlinuz.new" "$folder/vmlinuz"
chmod 644 "$folder/initramfs.gz" "$folder/vmlinuz"
