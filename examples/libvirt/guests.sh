#!/bin/sh
# Makes the four VMs of this example, or takes them away again. They are small Linux guests in software emulation, which needs no KVM.
#
#   guests.sh define     makes the guest once, and defines the VMs
#   guests.sh remove     powers them off and takes them away
#
# On qemu:///system, or where LIBVIRT_DEFAULT_URI says.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
uri=${LIBVIRT_DEFAULT_URI:-qemu:///system}
case $uri in
  */system) folder=/var/lib/libvirt/vmgroup-guest ;;
  *) folder=${XDG_DATA_HOME:-$HOME/.local/share}/vmgroup-guest ;;
esac
names='database app-1 app-2 web'

define() {
  [ -e "$folder/vmlinuz" ] || sh "$here/guest.sh" "$folder"
  for name in $names; do
    cat <<XML | virsh -q -c "$uri" define /dev/stdin
<domain type='qemu'>
  <name>$name</name>
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$folder/vmlinuz</kernel>
    <initrd>$folder/initramfs.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>
XML
    echo "$name is defined on $uri"
  done
}

remove() {
  for name in $names; do
    virsh -q -c "$uri" destroy "$name" 2>/dev/null || true
    virsh -q -c "$uri" undefine --managed-save "$name" && echo "$name is gone"
  done
}

case ${1:-} in
  define | remove) "$1" ;;
  *)
    echo 'usage: guests.sh define | remove' >&2
    exit 2
    ;;
esac
