// Which of several commands is faster? For a machine without Python: the small one of `cargo workshop vm`.
//
//     cc -O2 -static -o pace pace.c && ./pace ROUNDS LABEL COMMAND [ARG...] [-- LABEL COMMAND [ARG...]]...
//
// Each round starts every command once, in an order shuffled anew, for in blocks the same command differs from itself.
// A line for each: the label, the median and the quartiles of its whole life, in microseconds. And for each second
// command, `+LABEL` with the same of what it took longer than the one before it in the same round: what changes from
// round to round (the machine's other work) is in both, and leaves the difference alone. See benches/launch.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 8
#define WARM 5 // rounds that fill the caches

static long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000L + at.tv_nsec;
}

static int by_size(const void *one, const void *other) {
    long a = *(const long *)one, b = *(const long *)other;
    return (a > b) - (a < b);
}

static long once(char **command, posix_spawn_file_actions_t *silent) {
    int status;
    pid_t pid;
    long began = now();
    if (posix_spawnp(&pid, command[0], silent, NULL, command, environ) != 0 || waitpid(pid, &status, 0) != pid) {
        perror(command[0]);
        exit(1);
    }
    long took = now() - began;
    if (status != 0) {
        fprintf(stderr, "%s ended with %d\n", command[0], WEXITSTATUS(status));
        exit(1);
    }
    return took;
}

static void tell(const char *before, const char *label, long *taken, int rounds) {
    qsort(taken, rounds, sizeof *taken, by_size);
    printf("%s%s %ld %ld %ld\n", before, label, taken[rounds / 2] / 1000, taken[rounds / 4] / 1000,
           taken[rounds * 3 / 4] / 1000);
}

int main(int count, char **words) {
    int rounds = count > 1 ? atoi(words[1]) : 0, commands = 0;
    char **command[MOST];
    for (int at = 2; at < count && commands < MOST; at++) {
        command[commands++] = words + at;
        while (at < count && strcmp(words[at], "--") != 0) at++;
        words[at] = NULL;
    }
    if (rounds < 1 || commands < 1) return 2;
    long *took = calloc((size_t)rounds * commands, sizeof *took);
    posix_spawn_file_actions_t silent;
    posix_spawn_file_actions_init(&silent);
    posix_spawn_file_actions_addopen(&silent, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&silent, 1, "/dev/null", O_WRONLY, 0);
    srandom((unsigned)now());
    for (int round = -WARM; round < rounds; round++) {
        int order[MOST];
        for (int i = 0; i < commands; i++) order[i] = i;
        for (int i = commands - 1; i > 0; i--) {
            int other = random() % (i + 1), kept = order[i];
            order[i] = order[other], order[other] = kept;
        }
        for (int i = 0; i < commands; i++) {
            long one = once(command[order[i]] + 1, &silent);
            if (round >= 0) took[(size_t)order[i] * rounds + round] = one;
        }
    }
    long *more = calloc(rounds, sizeof *more);
    for (int i = 1; i < commands; i += 2) {
        for (int round = 0; round < rounds; round++)
            more[round] = took[(size_t)i * rounds + round] - took[(size_t)(i - 1) * rounds + round];
        tell("+", command[i][0], more, rounds);
    }
    for (int i = 0; i < commands; i++) tell("", command[i][0], took + (size_t)i * rounds, rounds);
    return 0;
}
