// The floor of a life: what `boxroom run --rm IMAGE COMMAND` costs when nothing but its system calls is left. To the floor
// of chapter 02 (floor.c, included here) it adds what chapters 04 to 06 do, with the same durability:
//
//   what is read: the image's three files and two of its users' files, once each
//   two notes on disk before what they name is made; no fsync: all of it may go with the power
//   the container: its folders, its name (a link), its locks, config.json, state.json twice; an overlay, volatile, as root
//   its groups: in each hierarchy that GROUPS names one, cpuset filled, the child writes itself into those of version 1
//   its end: why it ended, and all of it removed again
//
//     cc -O2 -static -o life life.c && ./life [--detach] HOME GROUPS LOWERS COMMAND [ARG...]
//
// HOME has containers/.names, run/containers, run/records, store.lock, index, manifest and config; GROUPS (the parents) and
// LOWERS are separated by colons. --detach does what `run -d` does, too: a copy of this program stays as the monitor, with a
// session, pipes, a log and a socket of its own, and its pid is printed; a SIGTERM to it ends the container.
#define LIFE
static int new_root(const char *);
#include "floor.c"
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/un.h>

static char home[256], folder[256], named[256], runs[256], notes[2][256], id[16];
static char *parents[16], groups[16][256], *lowers[64];
static int hierarchies, layers, version2 = -1, store, own, upper;

static char *at(char *to, const char *form, const char *a, const char *b) {
    snprintf(to, 256, form, a, b);
    return to;
}

// A file with its text, beside and renamed where it has another name meanwhile. No fsync.
static void text_file(const char *beside, const char *path, const char *words, size_t length) {
    int to = SURE(open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    SURE(write(to, words, length));
    close(to);
    if (path) SURE(rename(beside, path));
}

static int locked(const char *path, int how) {
    int file = SURE(open(path, O_RDONLY | O_CLOEXEC));
    SURE(flock(file, how));
    return file;
}

static void unlocked(int file) {
    flock(file, LOCK_UN);
    close(file);
}

static void record(int n, size_t length) {
    char beside[256], words[1024] = {0};
    look("/proc/self/", "stat");
    if (n == 0) look("/proc/sys/kernel/random/", "boot_id");
    snprintf(notes[n], sizeof notes[n], "%s/run/records/%s-%d.json", home, id, n);
    snprintf(beside, sizeof beside, "%s/run/records/.%s-%d", home, id, n);
    text_file(beside, notes[n], words, length);
}

static void random_bytes(void *to, size_t length) {
    int random = SURE(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
    SURE(read(random, to, length));
    close(random);
}

// create: a container on disk.
static void made(void) {
    unsigned char some[6], more[4];
    char path[256], words[1001] = {0};
    store = SURE(open(at(path, "%s/%s", home, "store.lock"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    SURE(flock(store, LOCK_SH));
    look(home, "/index"), look(home, "/manifest"), look(home, "/config");
    look(lowers[layers - 1], "/etc/passwd"), look(lowers[layers - 1], "/etc/group");
    random_bytes(some, sizeof some);
    snprintf(id, sizeof id, "%02x%02x%02x%02x%02x%02x", some[0], some[1], some[2], some[3], some[4], some[5]);
    at(folder, "%s/containers/%s", home, id), at(runs, "%s/run/containers/%s", home, id);
    record(0, 200);
    SURE(mkdir(folder, 0700));
    own = locked(folder, LOCK_EX);
    SURE(mkdir(at(path, "%s/%s", folder, "upper"), 0755));
    SURE(chmod(path, 0755));
    SURE(chown(path, 0, 0));
    SURE(mkdir(at(path, "%s/%s", folder, "work"), 0755));
    random_bytes(more, sizeof more);
    SURE(symlink(id, at(named, "%s/containers/.names/floor_%s", home, id)));
    SURE(mkdir(runs, 0700));
    text_file(at(path, "%s/%s", folder, "config.json"), NULL, words, sizeof words);
}

// cpuset of version 1 has to be filled, or nobody can be moved into it.
static void copied(const char *parent, const char *group, const char *file) {
    look(parent, file);
    text[strcspn(text, "\n")] = 0;
    put_in(group, file + 1, text);
}

static int into_groups(void) {
    struct stat seen;
    char path[512];
    look("/proc/self/", "mountinfo");
    look("/proc/self/", "cgroup");
    for (int n = 0; n < hierarchies; n++) {
        access(parents[n], W_OK);
        snprintf(groups[n], sizeof groups[n], "%s/boxroom-%s", parents[n], id);
        stat(groups[n], &seen);
    }
    record(1, 596);
    for (int n = 0; n < hierarchies; n++) {
        SURE(mkdir(groups[n], 0755));
        snprintf(path, sizeof path, "%s/cpuset.mems", parents[n]);
        struct statfs kind;
        if (strstr(parents[n], "cpuset") && access(path, R_OK) == 0) {
            copied(parents[n], groups[n], "/cpuset.cpus");
            copied(parents[n], groups[n], "/cpuset.mems");
        } else if (version2 < 0 && statfs(parents[n], &kind) == 0 && kind.f_type == 0x63677270) {
            version2 = n;
        }
    }
    upper = locked(at(path, "%s/%s", folder, "upper"), LOCK_SH);
    unlocked(store);
    for (int n = 0; n < hierarchies; n++)
        if (n != version2) doors[open_doors++] = SURE(open(at(path, "%s/%s", groups[n], "tasks"), O_WRONLY | O_CLOEXEC));
    return version2 < 0 ? 0 : SURE(open(groups[version2], O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static void state(size_t length) {
    char beside[256], path[256], words[512] = {0};
    text_file(at(beside, "%s/%s", runs, "state.json.new"), at(path, "%s/%s", runs, "state.json"), words, length);
}

static void in_its_groups(int pid) {
    char of[64];
    snprintf(of, sizeof of, "/proc/%d/", pid);
    look(of, "stat"), look("/proc/self/", "stat");
    state(313);
    unlocked(own);
}

// Beneath an open folder: what the overlay has left in `work`, and the two that are ours.
static void swept(int below) {
    int work = SURE(openat(below, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    unlinkat(work, "work/incompat/volatile/dirty", 0);
    static const char *const left[] = {"work/incompat/volatile", "work/incompat", "work"};
    for (unsigned n = 0; n < sizeof left / sizeof *left; n++) unlinkat(work, left[n], AT_REMOVEDIR);
    close(work);
    unlinkat(below, "work", AT_REMOVEDIR);
    unlinkat(below, "upper", AT_REMOVEDIR);
    unlinkat(below, "log", 0);
}

static void is_over(void) {
    char path[256];
    for (int n = 0; n < hierarchies; n++)
        if (access(at(path, "%s/%s", groups[n], "memory.oom_control"), R_OK) == 0) look(path, "");
    unlocked(upper);
    own = locked(folder, LOCK_EX);
    look(runs, "/state.json");
    state(201);
    unlocked(own);
    look(folder, "/config.json");
    SURE(unlink(named));
    SURE(unlink(at(path, "%s/%s", folder, "config.json")));
    int below = SURE(open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    swept(below);
    close(below);
    SURE(rmdir(folder));
    SURE(unlink(at(path, "%s/%s", runs, "state.json")));
    unlink(at(path, "%s/%s", runs, "attach"));
    SURE(rmdir(runs));
    SURE(unlink(notes[0]));
    for (int n = 0; n < hierarchies; n++) SURE(rmdir(groups[n]));
    SURE(unlink(notes[1]));
}

static int new_root(const char *unused) {
    (void)unused;
    int config = SURE(syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));
    for (int n = 0; n < layers; n++)
        SURE(syscall(SYS_fsconfig, config, FSCONFIG_SET_STRING, "lowerdir+", lowers[n], 0));
    SURE(chdir(folder));
    static const char *const set[] = {"upperdir", "upper", "workdir", "work", "redirect_dir", "nofollow", "metacopy", "off"};
    for (int n = 0; n < 8; n += 2) SURE(syscall(SYS_fsconfig, config, FSCONFIG_SET_STRING, set[n], set[n + 1], 0));
    SURE(syscall(SYS_fsconfig, config, FSCONFIG_SET_FLAG, "volatile", NULL, 0));
    SURE(syscall(SYS_fsconfig, config, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int tree = SURE(syscall(SYS_fsmount, config, FSMOUNT_CLOEXEC, 0));
    close(config);
    return tree;
}

// -d: the starter goes when the command runs; from here on this is the monitor. What tells the starter.
static int detached_from_starter(void) {
    int word[2], out[2], err[2];
    char path[256];
    SURE(pipe2(word, O_CLOEXEC));
    pid_t monitor = SURE(fork());
    if (monitor) {
        close(word[1]);
        char heard;
        if (read(word[0], &heard, 1) != 1) _exit(125);
        dprintf(1, "%d\n", monitor);
        _exit(0);
    }
    close(word[0]);
    SURE(setsid());
    SURE(chdir("/"));
    SURE(pipe2(out, O_CLOEXEC)), SURE(pipe2(err, O_CLOEXEC));
    int null = SURE(open("/dev/null", O_RDWR | O_CLOEXEC));
    SURE(dup2(null, 0)), SURE(dup2(out[1], 1)), SURE(dup2(err[1], 2));
    SURE(open(at(path, "%s/%s", folder, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/attach", runs);
    int listener = SURE(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    SURE(bind(listener, (struct sockaddr *)&name, sizeof name));
    SURE(listen(listener, 16));
    return word[1];
}

static int tells = -1;

static void is_running(void) {
    if (tells >= 0) {
        if (write(tells, "r", 1)) {}
        close(tells);
        int null = SURE(open("/dev/null", O_RDWR | O_CLOEXEC));
        SURE(dup2(null, 1)), SURE(dup2(null, 2));
        close(null);
    }
}

int main(int count, char **words) {
    int detach = count > 1 && !strcmp(words[1], "--detach");
    words += detach, count -= detach;
    if (count < 5) return 125;
    geteuid();
    snprintf(home, sizeof home, "%s", words[1]);
    for (char *one = strtok(words[2], ":"); one && hierarchies < 16; one = strtok(NULL, ":")) parents[hierarchies++] = one;
    for (char *one = strtok(words[3], ":"); one && layers < 64; one = strtok(NULL, ":")) lowers[layers++] = one;
    made();
    if (detach) tells = detached_from_starter();
    struct host host = {into_groups, in_its_groups, is_running, is_over, id};
    return launch(NULL, words + 4, &host);
}
