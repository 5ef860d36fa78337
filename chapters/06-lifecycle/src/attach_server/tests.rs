//! The monitor's side, with sockets and pipes alone: no container is needed for its promises.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use ch00_process::explain::Process;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair};
use nix::unistd::{Pid, pipe2};

use super::*;

const NOW: MsgFlags = MsgFlags::MSG_DONTWAIT;

struct Arena {
    server: AttachServer,
    k: Kernel,
    me: OwnedFd,
}

impl Arena {
    fn new(inside: Inside) -> Self {
        let k = Kernel::new(Process::Host, None);
        let me = k.why("somebody").pidfd_open(Pid::this()).unwrap();
        Self { server: AttachServer::new(inside).unwrap(), k, me }
    }

    fn client(&mut self, waits: bool) -> OwnedFd {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        self.server.adopt(theirs).unwrap();
        Message::Here { waits }.send(ours.as_fd(), NOW).unwrap();
        self.server.greet(&self.k, self.me.as_fd()).unwrap();
        let mut buffer = [0; MOST];
        assert!(matches!(hear(&ours, &mut buffer), Some(Message::There { .. })));
        ours
    }

    fn serve(&mut self) {
        self.server.serve(&self.k, self.me.as_fd()).unwrap();
    }
}

fn hear<'b>(client: &OwnedFd, buffer: &'b mut [u8; MOST]) -> Option<Message<'b>> {
    wire::receive(client.as_fd(), NOW, buffer).unwrap_or(None)
}

/// All that has arrived: how many bytes of output, how many were left out.
fn drained(client: &OwnedFd) -> (u64, u64) {
    let (mut shown, mut left_out) = (0, 0);
    let mut buffer = [0; MOST];
    while let Ok(Some(message)) = wire::receive(client.as_fd(), NOW, &mut buffer) {
        match message {
            Message::Output(_, bytes) => shown += bytes.len() as u64,
            Message::LeftOut(count) => left_out += count,
            _ => {}
        }
    }
    (shown, left_out)
}

#[test]
fn ch06_everybody_attached_sees_it_and_who_is_slow_is_told_what_was_left_out() {
    let mut arena = Arena::new(Inside::default());
    let (slow, quick) = (arena.client(false), arena.client(false));
    let piece = [b'x'; MOST - 1];
    let mut sent = 0;
    let (mut seen, mut lost) = (0, 0);
    for _ in 0..500 {
        assert!(!arena.server.is_full(), "nobody has asked to be waited for");
        arena.server.output(Stream::Out, &piece);
        sent += piece.len() as u64;
        let (more, gone) = drained(&quick);
        (seen, lost) = (seen + more, lost + gone);
    }
    assert_eq!((seen, lost), (sent, 0), "the quick one has all");
    let (first, _) = drained(&slow);
    arena.server.output(Stream::Err, b"last");
    let (rest, left_out) = drained(&slow);
    assert!(first < sent && rest == 4);
    assert_eq!(first + left_out, sent, "what it did not get is counted");
}

#[test]
fn ch06_who_must_have_all_gets_all() {
    let mut arena = Arena::new(Inside::default());
    let client = arena.client(true);
    let piece = [b'x'; MOST - 1];
    let (mut sent, mut seen) = (0, 0);
    for _ in 0..500 {
        if arena.server.is_full() {
            seen += drained(&client).0;
            arena.serve();
            assert!(!arena.server.is_full());
        }
        arena.server.output(Stream::Out, &piece);
        sent += piece.len() as u64;
    }
    assert!(seen > 0, "it was full at least once");
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; MOST];
        let mut seen = 0;
        loop {
            match wire::receive(client.as_fd(), MsgFlags::empty(), &mut buffer).unwrap() {
                Some(Message::Output(_, bytes)) => seen += bytes.len() as u64,
                Some(Message::Ended(code)) => return (seen, code),
                other => panic!("{other:?}"),
            }
        }
    });
    arena.server.end(7);
    assert_eq!(reader.join().unwrap(), (sent - seen, 7));
}

#[test]
fn ch06_what_is_typed_waits_for_the_command_and_nothing_of_it_is_lost() {
    let (theirs, ours) = pipe2(OFlag::O_CLOEXEC).unwrap();
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut arena = Arena::new(Inside { input: Some(ours), terminal: false });
    let client = arena.client(false);
    let piece = [b'y'; MOST - 1];
    let mut typed = 0;
    // Until nothing fits in any more, anywhere.
    while Message::Input(&piece).send(client.as_fd(), NOW).is_ok() {
        typed += piece.len();
        arena.serve();
    }
    assert!(typed > 100_000);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        File::from(theirs).read_to_end(&mut all).unwrap();
        all.len()
    });
    while let Err(Errno::EAGAIN) = Message::InputEnds.send(client.as_fd(), NOW) {
        arena.serve();
    }
    while arena.server.inside.input.is_some() {
        arena.serve();
    }
    assert_eq!(reader.join().unwrap(), typed);
}

#[test]
fn ch06_a_client_that_hangs_up_or_talks_nonsense_leaves_nothing() {
    let mut arena = Arena::new(Inside::default());
    drop(arena.client(true));
    arena.serve();
    assert!(!arena.server.has_clients());
    let nonsense = arena.client(false);
    nix::sys::socket::send(nonsense.as_raw_fd(), b"?", NOW).unwrap();
    arena.serve();
    assert!(!arena.server.has_clients());
    for _ in 0..CLIENTS {
        arena.client(false);
        arena.serve();
    }
    let many: Vec<_> = (0..CLIENTS).map(|_| arena.client(false)).collect();
    let one_more =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    assert!(arena.server.adopt(one_more.0).is_err(), "there is an end to it");
    drop(many);
}

#[test]
fn ch06_a_socket_below_a_long_folder_is_found() {
    let folder =
        std::env::temp_dir().join(format!("boxroom-ch06-{}", std::process::id())).join("x".repeat(150));
    fs::create_dir_all(&folder).unwrap();
    let mut arena = Arena::new(Inside { input: None, terminal: true });
    arena.server.listen(&folder).unwrap();
    let client = crate::attach::reach(&folder).unwrap();
    arena.serve();
    Message::Here { waits: false }.send(client.as_fd(), NOW).unwrap();
    arena.serve();
    let mut buffer = [0; MOST];
    let there = hear(&client, &mut buffer);
    fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    assert_eq!(there, Some(Message::There { terminal: true, input: false }));
}
