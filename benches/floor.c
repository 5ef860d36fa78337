// The floor: what `ch02-namespaces run --rootfs DIR COMMAND` costs when nothing but its system calls is left.
//
// The same calls in the same order with the same arguments (strace -f of both shows it), as root, on x86_64 and
// aarch64. No options, no messages, no cleaning up after a failure: it ends with 125 and the number of the line.
// What chapter 02 takes longer than this is what Rust, its types and its errors cost. See benches/launch.
//
//     cc -O2 -static -o floor floor.c && ./floor [--group PARENT] DIR COMMAND [ARG...]
//
// With --group it does what chapter 03 adds on cgroup version 2 (`--memory 64M --pids 32 --cpus 0.5`), too: the note on
// disk, the group below PARENT, its limits, the birth into it, what happened there, its end.
//
// life.c includes this file and adds what chapters 04 to 06 do.
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <dirent.h>

// <sys/mount.h> and <linux/mount.h> can't both be included with every glibc.
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);
#ifndef MS_REC
#define MS_REC 16384
#define MS_PRIVATE (1 << 18)
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#define RECURSIVE 0x8000 // AT_RECURSIVE

#define SURE(call) sure((long)(call), __LINE__)

static long sure(long result, int line) {
    if (result == -1) {
        char text[64];
        int length = snprintf(text, sizeof text, "floor.c:%d: %m\n", line);
        if (write(2, text, length)) {}
        _exit(125);
    }
    return result;
}

static char message[65536];

static long hear(int channel) {
    struct iovec part = {message, sizeof message};
    char control[512];
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    return recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
}

static void tell(int channel, const char *text) {
    struct iovec part = {(void *)text, strlen(text)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    SURE(sendmsg(channel, &header, MSG_NOSIGNAL));
}

// A file system of its own, mounted nowhere yet. `settings`: pairs, a null at the end; a null value is a flag.
static int detached(const char *kind, const char *const *settings, unsigned attributes) {
    int config = SURE(syscall(SYS_fsopen, kind, FSOPEN_CLOEXEC));
    for (; settings && settings[0]; settings += 2) {
        unsigned command = settings[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        SURE(syscall(SYS_fsconfig, config, command, settings[0], settings[1], 0));
    }
    SURE(syscall(SYS_fsconfig, config, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int tree = SURE(syscall(SYS_fsmount, config, FSMOUNT_CLOEXEC, attributes));
    close(config);
    return tree;
}

static int attach(int tree, const char *target) {
    int root = SURE(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int place = SURE(syscall(SYS_openat2, root, target, &how, sizeof how));
    close(root);
    SURE(syscall(SYS_move_mount, tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    close(place);
    return tree;
}

static void loopback_up(void) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
    } ask = {
        {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP},
    };
    char answer[1024];
    int netlink = SURE(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    SURE(send(netlink, &ask, sizeof ask, 0));
    SURE(recv(netlink, answer, sizeof answer, 0));
    close(netlink);
}

// The group: what is read of the machine, the note of what will have to be removed, the folder, the limits.
static char text[65536];
#ifndef LIFE
static char note[256], beside[256], group[256];
#endif

static void look(const char *folder, const char *file) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", folder, file);
    int from = SURE(open(path, O_RDONLY | O_CLOEXEC));
    while (read(from, text, sizeof text) > 0) {}
    close(from);
}

static void put_in(const char *folder, const char *file, const char *value) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int to = SURE(open(path, O_WRONLY | O_CLOEXEC));
    SURE(write(to, value, strlen(value)));
    close(to);
}

#ifndef LIFE
static void put(const char *file, const char *value) { put_in(group, file, value); }

static const char *parent; // of the group; none: no group

static int into_group(void) {
    if (!parent) return 0;
    struct stat seen;
    unsigned name;
    look("/proc/self/", "mountinfo");
    look("/proc/self/", "cgroup");
    look(parent, "/cgroup.controllers");
    look(parent, "/cgroup.subtree_control");
    int random = SURE(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
    SURE(read(random, &name, sizeof name));
    close(random);
    snprintf(group, sizeof group, "%s/boxroom-%08x", parent, name);
    stat(group, &seen);

    look("/proc/self/", "stat");
    look("/proc/sys/kernel/random/", "boot_id");
    snprintf(note, sizeof note, "/run/floor-%08x", name);
    snprintf(beside, sizeof beside, "/run/.floor-%08x", name);
    int record = SURE(open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    SURE(write(record, group, strlen(group)));
    close(record);
    SURE(rename(beside, note));

    SURE(mkdir(group, 0755));
    put("memory.max", "67108864");
    put("memory.swap.max", "0");
    put("memory.oom.group", "1");
    put("cpu.max", "50000 100000");
    put("pids.max", "32");
    return SURE(open(group, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static void is_born(int pid) { (void)pid; }

static void is_running(void) {}

static void group_ends(void) {
    if (!parent) return;
    look(group, "/memory.events");
    look(group, "/pids.events");
    SURE(rmdir(group));
    SURE(unlink(note));
}

static int new_root(const char *rootfs) {
    return SURE(syscall(SYS_open_tree, AT_FDCWD, rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | RECURSIVE));
}
#endif

// What stands around a launch on the host's side.
struct host {
    int (*before)(void);   // the group to be born into (a descriptor), or 0
    void (*born)(int pid); // while the child waits
    void (*runs)(void);    // the command is there
    void (*after)(void);
    const char *name;      // the hostname
};

// `tasks` of each group of version 1: the child writes itself in, before anything else.
static int doors[16], open_doors;

static void close_doors(int entered) {
    for (int n = 0; n < open_doors; n++) {
        if (entered) SURE(write(doors[n], "0", 1));
        close(doors[n]);
    }
}

static void child(int channel, const char *rootfs, char **command, const char *name) {
    if (hear(channel) <= 0) _exit(125);
    close_doors(1);
    // open: what needs the host's paths, as descriptors and detached mounts
    SURE(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    SURE(unshare(CLONE_NEWCGROUP));
    SURE(unshare(CLONE_NEWTIME));
    int time = SURE(open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
    SURE(setns(time, CLONE_NEWTIME));
    close(time);
    unsigned quiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int proc = detached("proc", NULL, quiet);
    int sys = detached("sysfs", (const char *[]){"ro", NULL, NULL}, quiet | MOUNT_ATTR_RDONLY);
    umask(0);
    int dev = detached("tmpfs", (const char *[]){"mode", "755", "size", "64k", NULL}, MOUNT_ATTR_NOSUID);
    int pts = detached("devpts", (const char *[]){"mode", "620", "ptmxmode", "666", "gid", "5", NULL},
                       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    int shm = detached("tmpfs", (const char *[]){"mode", "1777", "size", "64m", NULL}, quiet);
    int mqueue = detached("mqueue", NULL, quiet);
    SURE(mkdirat(dev, "pts", 0755));
    SURE(mkdirat(dev, "shm", 0755));
    SURE(mkdirat(dev, "mqueue", 0755));
    SURE(symlinkat("/proc/self/fd", dev, "fd"));
    SURE(symlinkat("/proc/self/fd/0", dev, "stdin"));
    SURE(symlinkat("/proc/self/fd/1", dev, "stdout"));
    SURE(symlinkat("/proc/self/fd/2", dev, "stderr"));
    SURE(symlinkat("pts/ptmx", dev, "ptmx"));
    static const struct { const char *name; int major, minor; } nodes[] = {
        {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++)
        SURE(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));

    // root: the one switch
    int root = new_root(rootfs);
    SURE(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    SURE(fchdir(root));
    SURE(syscall(SYS_pivot_root, ".", "."));
    SURE(umount2(".", MNT_DETACH));
    SURE(chdir("/"));
    close(root);

    // enter: what was opened gets its place
    SURE(sethostname(name, strlen(name)));
    loopback_up();
    close(attach(proc, "proc"));
    close(attach(sys, "sys"));
    attach(dev, "dev");
    attach(pts, "dev/pts");
    attach(shm, "dev/shm");
    attach(mqueue, "dev/mqueue");
    close(dev), close(pts), close(shm), close(mqueue);

    // seal: what the command must not have
    SURE(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
    SURE(syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC));
    umask(022);
    SURE(syscall(SYS_setgroups, 0, NULL));
    SURE(syscall(SYS_setresgid, 0, 0, 0));
    SURE(syscall(SYS_setresuid, 0, 0, 0));
    for (int number = 1; number <= 64; number++) {
        struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } fresh = {0};
        syscall(SYS_rt_sigaction, number, &fresh, NULL, 8);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    SURE(prctl(PR_SET_PDEATHSIG, SIGKILL));

    // gate, exec
    tell(channel, "\"Ready\"");
    if (hear(channel) <= 0) _exit(125);
    static const char *const path[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};
    char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                           "HOSTNAME=boxroom", "TERM=xterm", NULL};
    for (unsigned i = 0; i < sizeof path / sizeof *path; i++) {
        char file[4096];
        struct stat seen;
        snprintf(file, sizeof file, "%s/%s", path[i], command[0]);
        execve(file, command, environment);
        stat(file, &seen);
    }
    _exit(127);
}

// From here to the command's end; the exit code.
static int launch(const char *rootfs, char **command, const struct host *host) {
    sigset_t held, before;
    sigprocmask(SIG_SETMASK, NULL, &before);
    sigemptyset(&held);
    const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGVTALRM, SIGPROF, SIGWINCH};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction old;
        sigaction(numbers[i], NULL, &old);
        if (old.sa_handler != SIG_IGN) sigaddset(&held, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &held, NULL);
    int signals = SURE(signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK));
    int pair[2];
    SURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));

    int pidfd = -1, place = host->before(), pid;
    struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; } birth = {
        .flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET |
                 (place ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = place,
    };
    if ((pid = SURE(syscall(SYS_clone3, &birth, sizeof birth))) == 0) {
        close(pair[0]);
        child(pair[1], rootfs, command, host->name);
    }
    close_doors(0);
    close(pair[1]);
    host->born(pid);
    tell(pair[0], "{\"Go\":[]}");
    struct pollfd watched[] = {{pidfd, POLLIN, 0}, {signals, POLLIN, 0}, {pair[0], POLLIN, 0}};
    int channels = 1;
    for (;;) {
        SURE(poll(watched, 2 + channels, -1));
        if (channels && watched[2].revents) {
            if (hear(pair[0]) > 0) {
                tell(pair[0], "{\"Go\":[]}");
            } else {
                close(pair[0]);
                channels = 0;
                host->runs();
            }
        } else if (watched[0].revents) {
            break;
        } else if (watched[1].revents) {
            struct signalfd_siginfo asked;
            SURE(read(signals, &asked, sizeof asked));
            SURE(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0)); // pid 1 inside: a milder one is not heard
        }
    }
    siginfo_t ended;
    struct termios terminal;
    SURE(waitid(P_PIDFD, pidfd, &ended, WEXITED));
    tcgetattr(0, &terminal);
    close(pidfd);
    host->after();
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(signals);
    return ended.si_code == CLD_EXITED ? ended.si_status : 128 + ended.si_status;
}

#ifndef LIFE
int main(int count, char **words) {
    if (count > 3 && !strcmp(words[1], "--group")) {
        parent = words[2];
        words += 2, count -= 2;
    }
    if (count < 3) return 125;
    const char *rootfs = words[1];
    struct stat seen;
    geteuid();
    SURE(stat(rootfs, &seen));
    DIR *folder = opendir(rootfs);
    if (!folder) return 125;
    readdir(folder);
    closedir(folder);
    struct host host = {into_group, is_born, is_running, group_ends, "boxroom"};
    return launch(realpath(rootfs, NULL), words + 2, &host);
}
#endif
