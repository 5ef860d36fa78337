#!/bin/busybox sh
# pid 1 of the small machine. It is run twice: first from the initramfs, which is no place for a container engine
# (pivot_root there is EINVAL, and whoever is in a chroot may make no user namespace), then from the tmpfs that it
# moves to.
#
# What is to be done stands in /stage/plan, a line each; what came of it is told on the second serial line, in the
# words of workshop/src/vm/console.rs. The first line is the console: the kernel's.

export PATH=/bin:/built

if [ "$1" != moved ]; then
    /bin/busybox --install -s /bin
    mount -t tmpfs -o mode=755,size=70% tmpfs /new
    cp -a /bin /stage /built /init /new/
    mkdir -p /new/dev /new/proc /new/sys /new/etc /new/home/learner /new/run /new/tmp /new/root /new/var/lib
    mount -t devtmpfs dev /new/dev
    exec switch_root /new /init moved
fi

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 run /run
chmod 1777 /tmp
chmod 755 /
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'learner:x:1000:1000::/home/learner:/bin/sh' >>/etc/passwd
# The second group is for the check that groups are given up.
printf 'root:x:0:\ntty:x:5:\nusers:x:100:learner\nlearner:x:1000:\n' >/etc/group
echo 'PRETTY_NAME="the small machine"' >/etc/os-release
mkdir -p /run/user/1000
chown 1000:1000 /home/learner /run/user/1000
chmod 700 /run/user/1000
# A disk of its own, where there is one: ext4 can be id-mapped, a tmpfs of this age can't.
mkdir /disk
if [ -b /dev/nvme0n1 ]; then mke2fs /dev/nvme0n1 >/dev/null && mount -t ext4 /dev/nvme0n1 /disk; fi
chmod 1777 /disk
hostname small
ip link set lo up
echo outside >/canary
cd /
for module in /stage/*.ko; do insmod "$module"; done

exec 3>/dev/ttyS1
stty raw -echo </dev/ttyS1
tell() { echo "$*" >&3; }
uptime_s() { cut -d' ' -f1 /proc/uptime; }

. /stage/legs.sh
tell "@kernel $(uname -r)"
while read -r what words; do
    case $what in
        checks) leg $words ;;
        heartbeats) heartbeats $words ;;
        launches) launches $words ;;
        shell)
            ch01-chroot base /base
            echo "A shell in the small machine; /built has the programs, /base a root file system. exit ends it."
            setsid cttyhack sh -l
            ;;
        *) tell "@unknown $what" ;;
    esac
done </stage/plan
tell "@over"
# The serial line has a buffer, and the machine ends at once.
sync
sleep 0.2
reboot -f
