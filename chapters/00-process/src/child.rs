//! The launch from the child's side: from birth to exec. Nothing here ever returns to the host's code.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::channel::{Channel, FromChild};
use crate::door::Door;
use crate::explain::{Moment, Process, Told};
use crate::failure::{ENGINE, Failure};
use crate::kernel::raw::exit_now;
use crate::kernel::{Kernel, Listener, Result};
use crate::launch::Launch;
use crate::mechanism::{Chain, Root, SameRoot};

/// The child's voice: what it tells goes to the host, who alone prints.
struct ToHost(Rc<Channel>);

impl Listener for ToHost {
    fn told(&mut self, told: &Told) {
        // Where the host is gone, the gate says so; a launch doesn't fail for want of an audience.
        let _ = self.0.say(&FromChild::Told(told.clone()), &[]);
    }

    fn step(&mut self, moment: Moment) -> Result<()> {
        let gone = |_: Errno| Failure::said("the host is gone", "", "");
        self.0.say(&FromChild::Step(moment), &[]).map_err(gone)?;
        self.0.wait_for_go().map(drop).map_err(gone)
    }
}

/// The child's life up to exec. It has the host's memory as a copy, and the host's privileges still.
#[inline(never)] // what it needs of the stack its parent need not keep, who may wait for years
pub(crate) fn live<C: Chain, R: Root>(
    launch: &Launch<C, R>,
    doors: Vec<Door>,
    channel: Channel,
    watched: bool,
) -> ! {
    let channel = Rc::new(channel);
    let listener = watched.then(|| Box::new(ToHost(Rc::clone(&channel))) as Box<dyn Listener>);
    let k = Kernel::new(Process::Child, listener);
    std::panic::set_hook(Box::new(|_| {})); // the text travels by the channel
    let ended = catch_unwind(AssertUnwindSafe(|| road(launch, doors, &k, &channel)));
    // ANCHOR: task-error
    let last_words = match ended {
        Ok(Err(failure)) => FromChild::Failed(failure),
        Err(panic) => FromChild::Panicked(text_of(panic.as_ref())),
    };
    let _ = channel.say(&last_words, &[]);
    // ANCHOR_END: task-error
    exit_now(ENGINE.into())
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "no text".into(), |text| text.chars().take(500).collect())
}

// ANCHOR: road
/// Host paths, then the root, then what is in it, then the privileges: the order is the lesson.
fn road<C: Chain, R: Root>(
    launch: &Launch<C, R>,
    doors: Vec<Door>,
    k: &Kernel,
    channel: &Rc<Channel>,
) -> Result<std::convert::Infallible> {
    // Before the host says go, ids aren't mapped: nothing may be touched.
    let mut handed = channel.wait_for_go().unwrap_or_else(|_| exit_now(ENGINE.into()));

    k.begin(Moment::Open)?;
    k.by(SameRoot::NAME);
    doors.into_iter().try_for_each(|door| door.enter(k))?;
    let opened = launch.mechanisms.open(k, &mut handed)?;
    k.by(R::NAME);
    let root = launch.root.open(k, &mut handed)?;

    k.begin(Moment::Root)?;
    launch.root.switch(k, root)?;

    k.begin(Moment::Enter)?;
    launch.mechanisms.enter(k, opened)?;

    k.begin(Moment::Seal)?;
    launch.mechanisms.seal(k)?;

    // Where the command itself changes its ids, as su and gosu do, the kernel forgets the parent's death again.
    k.begin(Moment::Gate)?;
    k.by(SameRoot::NAME);
    k.why("what the parent ignores the command would ignore too: all signals as at boot").reset_signals()?;
    k.why("if the parent is killed, this ends too; a change of ids would forget it, so it comes last")
        .set_pdeathsig(Signal::SIGKILL)?;
    // A parent that was killed before that line is seen here, by the end of the channel.
    // ANCHOR: task-handshake
    if channel.say(&FromChild::Ready, &[]).is_err() || channel.wait_for_go().is_err() {
        exit_now(ENGINE.into());
    }
    // ANCHOR_END: task-handshake

    k.begin(Moment::Exec)?;
    if let Some(stay) = launch.init {
        stay(k)?;
    }
    launch.command.exec(k)
}
// ANCHOR_END: road
