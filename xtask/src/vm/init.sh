#!/bin/busybox sh
# The first process of a virtual machine of `cargo xtask vm`. What it tells goes to the second serial port, line by line;
# the first one is the kernel's console.
/bin/busybox mkdir /bin/more
/bin/busybox --install -s /bin/more
export PATH=/bin:/tests:/bin/more HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
exec >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 -opost
echo "root:x:0:0:root:/:/bin/sh" >/etc/passwd
for module in /modules/*; do insmod "$module"; done
/bin/ip link set dev lo up
ulimit -n 1024
cd /tmp
# This machine is ours: a test may set its clock.
export NETTOP_OWN_MACHINE=1 NETTOP_PATIENCE=6 NETTOP_SKIPS=/tmp/skips RUST_BACKTRACE=0
touch /tmp/skips

now() { cut -d' ' -f1 /proc/uptime; }
# Runs a step, and tells how it ended and how long it took, in hundredths of a second.
step() {
    name=$1
    shift
    began=$(now)
    "$@"
    code=$?
    echo "@step $name $code $(now | tr -d .) $(echo "$began" | tr -d .)"
}
test_with() {
    name=$1
    shift
    step "$name" "/tests/$name" --test-threads=2 "$@"
}

# The monitor on loopback, until it answers and is told to end.
run() {
    nettop run --quiet --iface lo --control-socket /tmp/run.sock &
    running=$!
    while kill -0 $running 2>/dev/null && ! nettopctl --control-socket /tmp/run.sock status >/dev/null 2>&1; do sleep 1; done
    nettopctl --control-socket /tmp/run.sock stop >/dev/null 2>&1
    wait $running
}

echo "@release $(uname -r)"
step run run
# By its path: the shell has an `ip` of its own, which knows no such pairs. An interface that the monitor would watch by itself.
/bin/ip link add vm0 type veth peer name vm1
/bin/ip link set dev vm0 up
/bin/ip link set dev vm1 up
step doctor nettop doctor
/bin/ip link del dev vm0
@TESTS@
sed 's/^/@skip /' /tmp/skips
echo "@end"
sync
poweroff -f
