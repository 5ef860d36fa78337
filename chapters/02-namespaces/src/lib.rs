//! Rooms: a process with its own mounts, pids, names, network and users.
