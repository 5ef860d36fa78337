"""Other engines' words for `run --rm` of the same root file system, where they are installed and start here; for benches/life.

Each has places of its own below the folder that it is given, what ends with the machine in its `run`, and none is told to
use a network. Who doesn't start is left out, and why is printed.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
QUIET = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}


def last_line(text):
    return (text.strip().splitlines() or ["no word"])[-1]


class Peers:
    """Ends what it has started."""

    def __init__(self, folder, rootfs, layers):
        self.folder, self.rootfs, self.layers, self.daemon = Path(folder), Path(rootfs), layers, None
        self.words = {}
        found = [("crun", self.oci), ("runc", self.oci), ("bwrap", self.bubblewrap), ("podman", self.podman),
                 ("dockerd", self.docker)]
        for name, words in found:
            if not shutil.which(name):
                print(f"  {name}: left out: not installed")
                continue
            try:
                self.words[name.removesuffix("d")] = self.tried(words(name))
            except (subprocess.SubprocessError, OSError, RuntimeError) as error:
                said = getattr(error, "stderr", None) or str(error)
                print(f"  {name}: left out: {last_line(said)}")

    @staticmethod
    def tried(words):
        done = subprocess.run(words, timeout=60, **QUIET)
        if done.returncode != 0:
            raise RuntimeError(last_line(done.stderr))
        return [shutil.which(words[0]), *words[1:]]

    def oci(self, name):
        """A bundle like ours: with the same namespaces (time where this version knows it), and the same layers stacked. Not
        as its root, which in a bundle is a folder, and with nothing to write on top."""
        try:
            return self.bundle(name, times=True)
        except (subprocess.SubprocessError, RuntimeError):
            return self.bundle(name, times=False)

    def bundle(self, name, times):
        bundle = self.folder / f"{name}{'-time' if times else ''}"
        bundle.mkdir()
        subprocess.run([name, "spec"], check=True, cwd=bundle, **QUIET)
        config = json.loads((bundle / "config.json").read_text())
        config["process"].update(terminal=False, args=["true"])
        config["root"].update(path=str(self.rootfs), readonly=False)
        config["mounts"].append({"destination": "/mnt", "type": "overlay", "source": "overlay",
                                 "options": ["ro", f"lowerdir={':'.join(self.layers)}"]})
        namespaces = config["linux"]["namespaces"]
        has = [one["type"] for one in namespaces]
        namespaces += [{"type": kind} for kind in ("cgroup", "time")[:2 if times else 1] if kind not in has]
        (bundle / "config.json").write_text(json.dumps(config))
        words = [name, "--root", f"{self.folder}/run/{name}", "run", "--bundle", str(bundle), f"bench-life-{os.getpid()}"]
        self.tried(words)
        return words

    def bubblewrap(self, name):
        return [name, "--unshare-all", "--bind", str(self.rootfs), "/", "--proc", "/proc", "--dev", "/dev", "true"]

    def archive(self):
        tar = self.folder / "rootfs.tar"
        if not tar.exists():
            subprocess.run(["tar", "-C", str(self.rootfs), "-cf", str(tar), "."], check=True, **QUIET)
        return str(tar)

    def podman(self, name):
        words = [name, "--root", f"{self.folder}/podman", "--runroot", f"{self.folder}/run/podman",
                 "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
        subprocess.run([*words, "import", self.archive(), "bench"], check=True, timeout=120, **QUIET)
        # Its own default may be more than this machine allows.
        return [*words, "run", "--rm", "--network", "none", *LIMITS, "bench", "true"]

    def docker(self, name):
        place = self.folder / "docker"
        place.mkdir()
        socket = f"unix://{place}/socket"
        log = open(place / "log", "w+")
        self.daemon = subprocess.Popen(
            [name, "--data-root", f"{place}/data", "--exec-root", f"{self.folder}/run/docker", "--pidfile", f"{place}/pid", "--host", socket,
             "--bridge", "none", "--iptables=false", "--ip6tables=false"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        words = ["docker", "--host", socket]
        for _ in range(150):
            if self.daemon.poll() is not None:
                raise RuntimeError(last_line((place / "log").read_text()))
            if subprocess.run([*words, "version"], **QUIET).returncode == 0:
                break
            time.sleep(0.1)
        subprocess.run([*words, "import", self.archive(), "bench"], check=True, timeout=120, **QUIET)
        return [*words, "run", "--rm", "--network", "none", "bench", "true"]

    def end(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        # In the bench's own mount namespace: what they have mounted below their places.
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        theirs = [mount for mount in mounts if mount.startswith(f"{self.folder}/") and mount != f"{self.folder}/run"]
        for mount in reversed(theirs):
            subprocess.run(["umount", "-l", mount], **QUIET)
