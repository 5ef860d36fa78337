#!/usr/bin/env python3
"""Chapters 00 and 01 in Python: a container is made of system calls, and no language owns them.

The command line is the chapters' own, so the chapters' checks judge it like any other stage:

    STAGE_BIN=$PWD/examples/stage.py cargo test -p ch00-process
    STAGE_BIN=$PWD/examples/stage.py cargo test -p ch01-chroot

Read it from `run` downwards: the parent's side first, then the child's.
"""

import ctypes
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

USAGE = "usage: stage.py run [--rootfs DIR [--escape]] [--] CMD [ARG...] | stage.py base DIR"

# Docker's exit codes for a command that never ran: we failed, it can't be executed, it isn't there.
ENGINE, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127

# What a person or a service manager sends to the engine and means for the command.
PASSED_ON = {
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGALRM, signal.SIGWINCH, signal.SIGVTALRM, signal.SIGPROF,
}

# Two calls that Python has no name for: prctl(2), and (before 3.12) unshare(2).
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SI_KERNEL = 0x80  # asm-generic/siginfo.h


class Failure(Exception):
    """What failed, in words, and the exit code for it."""

    def __init__(self, what, code=ENGINE):
        super().__init__(what)
        self.code = code


def run(rootfs, escape, command):
    """The parent's side: gives birth, lets the child go, waits for its end. Returns the exit code."""
    if rootfs is not None and not os.listdir(rootfs):  # ENOENT and ENOTDIR name the folder
        raise Failure(f"rootfs {rootfs}: an empty directory")
    borrowed = rootfs is not None and os.geteuid() != 0

    # Blocked signals wait until they are asked for, so none is missed, not even the child's end. signal(7)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    awaited = {one for one in PASSED_ON if signal.getsignal(one) != signal.SIG_IGN} | {signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)

    # One message is one datagram, and both ends close by themselves at exec. unix(7)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        live(theirs, borrowed, rootfs, escape, command)
    theirs.close()  # else the end of the child would not be the end of the channel

    failure = None
    while message := ours.recv(8192):
        if message == b"ready":
            if borrowed:
                map_one_id(child)
            ours.send(b"go")
        else:
            code, what = os.fsdecode(message).split(" ", 1)
            failure = Failure(what, int(code))
    code = wait(child, awaited)  # end-of-file: the child has become the command, or has ended
    if failure:
        raise failure
    return code


def map_one_id(child):
    """Root inside is the caller outside. Only the group's map asks for more (CVE-2014-8989). user_namespaces(7)"""
    maps = [("setgroups", "deny"), ("uid_map", f"0 {os.geteuid()} 1"), ("gid_map", f"0 {os.getegid()} 1")]
    for name, text in maps:
        with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
            file.write(text)


def wait(child, awaited):
    """Passes signals on until the child has ended, and asks how, so that no zombie stays. waitpid(2)"""
    while True:
        signalled = signal.sigwaitinfo(awaited)
        if signalled.si_signo != signal.SIGCHLD:
            # A Ctrl-C reaches the whole foreground process group, so the child has had it already.
            if signalled.si_code != SI_KERNEL:
                os.kill(child, signalled.si_signo)  # nobody else has its number: we haven't waited for it yet
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            # Not the status itself: code and signal stand in it side by side.
            return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def live(channel, borrowed, rootfs, escape, command):
    """The child's side, up to exec. It never comes back into the parent's code, and the parent alone prints."""
    try:
        if borrowed:
            # chroot(2) is for root; in a user namespace of one's own one is root.
            checked(LIBC.unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
        # If the parent is killed, this ends too.
        checked(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl(PR_SET_PDEATHSIG)")
        channel.send(b"ready")
        if not channel.recv(8):
            os._exit(ENGINE)  # end-of-file: the parent is gone
        if rootfs is not None:
            switch(rootfs)
        if escape:
            leave()
        signals_as_at_boot()
        become(command)
    except Exception as error:
        code, what = told(error)
        channel.send(os.fsencode(f"{code} {what[:4000]}"))
    finally:
        os._exit(ENGINE)


# ANCHOR: switch
def switch(rootfs):
    """Another root. Nothing is imported after it: that would be read from the new root, which may be a stranger's."""
    os.chroot(rootfs)
    os.chdir("/")  # chroot moves only /, not where we stand
# ANCHOR_END: switch


def leave():
    """Out of it again: chroot(2) is no wall."""
    os.chroot("tmp")  # the root moves below us, and we stay: outside of it
    os.chdir("../" * 64)  # up: the one directory that would stop us isn't on this way
    os.chroot(".")  # the host's own root becomes ours


def signals_as_at_boot():
    """What this process blocks or ignores the command would too, and Python ignores SIGPIPE. execve(2)"""
    for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def become(command):
    """The command takes this process over. It comes back only with a failure. execve(2), and PATH as execvp(3)"""
    name = command[0]
    if not name:
        raise Failure("the command's name is empty", NOT_FOUND)
    is_path = "/" in name
    folders = [""] if is_path else os.environ.get("PATH", os.defpath).split(":")
    refused = None
    for file in [os.path.join(folder, name) for folder in folders]:
        try:
            os.execv(file, command)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            error.filename = file
            refused = refused or error  # another folder may have one that can be executed
    if refused:
        raise Failure(told(refused)[1], NOT_EXECUTABLE)
    where = "no such file, or the loader that it names isn't there" if is_path else "no folder of PATH has it"
    raise Failure(f"{name}: ENOENT ({where})", NOT_FOUND)


def make_base(folder):
    """A root file system from this machine: a few programs, and what they can't start without."""
    os.mkdir(folder)
    try:
        for name in ["bin", "tmp"]:
            os.mkdir(f"{folder}/{name}")
        for name in ["sh", "cat", "echo", "ls", "mkdir", "sleep", "touch", "true"]:
            program = shutil.which(name) or ""
            if not program:
                raise Failure(f"{name}: not in PATH, and the base needs it")
            shutil.copy(program, f"{folder}/bin/{name}")
            # ldd starts the program's loader. That is fine for the machine's own programs, not for a stranger's.
            listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
            for file in re.findall(r"(/\S+) \(0x", listed):  # the loader is among them
                if not os.path.exists(folder + file):
                    os.makedirs(os.path.dirname(folder + file), exist_ok=True)
                    shutil.copy(file, folder + file)
    except BaseException:  # Ctrl-C too: what was begun is removed
        shutil.rmtree(folder)
        raise
    print(f"made {folder}")
    return 0


def checked(result, call):
    """The C library says -1, and errno why."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)


def told(error):
    """The exit code for what went wrong, and the words: the path or the call, the errno's name, what it means."""
    if isinstance(error, Failure):
        return error.code, str(error)
    if isinstance(error, OSError) and error.errno:
        name = errno.errorcode.get(error.errno, error.errno)
        return ENGINE, f"{error.filename or 'a system call'}: {name} ({error.strerror.lower()})"
    return ENGINE, repr(error)


def command_line(words):
    """What follows `run`. Nothing that was asked for is left out in silence."""
    rootfs, escape = None, False
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        if word == "--rootfs" and words:
            rootfs = words.pop(0)
        elif word == "--escape":
            escape = True
        else:
            raise Failure(f"run: {word}: no such option, or nothing after it; {USAGE}")
    if not words:
        raise Failure(f"run: no command was given; {USAGE}")
    if escape and rootfs is None:
        raise Failure("run: --escape needs a --rootfs to leave")
    return rootfs, escape, words


def main(words):
    """Returns the exit code. Only here is an error printed."""
    try:
        if words[:1] == ["run"]:
            return run(*command_line(words[1:]))
        if words[:1] == ["base"] and len(words) == 2:
            return make_base(words[1])
        raise Failure(USAGE)
    except (Failure, OSError) as error:
        code, what = told(error)
        print(f"stage.py: {what}", file=sys.stderr)
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
