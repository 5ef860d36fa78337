//! To the host's network.

use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use crate::facts::{Evidence, Facts};

/// Which interfaces there are, with their addresses.
pub fn host_interfaces(_: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    if let Some(names) = evidence.step("list the interfaces", interfaces()) {
        evidence.found = names;
    }
    evidence
}

/// The names of the interfaces in this network namespace, each once, in order.
///
/// # Errors
/// No netlink socket.
pub fn interfaces() -> nix::Result<Vec<String>> {
    let mut names: Vec<String> =
        nix::net::if_::if_nameindex()?.iter().map(|one| one.name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Many servers trust whoever comes from 127.0.0.1.
pub fn host_loopback(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let address = (Ipv4Addr::LOCALHOST, facts.port).into();
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2));
    listen(&mut evidence, format!("connect to {address}"), stream);
    evidence
}

/// An abstract name is in no file system: no root keeps it away, the network namespace does.
pub fn abstract_socket(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let stream = SocketAddr::from_abstract_name(&facts.abstract_socket)
        .and_then(|name| UnixStream::connect_addr(&name));
    listen(&mut evidence, format!("connect to @{}", facts.abstract_socket), stream);
    evidence
}

fn listen<S: Read>(evidence: &mut Evidence, call: String, stream: io::Result<S>) {
    let Some(mut stream) = evidence.step(call, stream) else { return };
    let mut text = String::new();
    if evidence.step("listen", stream.read_to_string(&mut text)).is_some() {
        evidence.find(text.trim_end());
    }
}
