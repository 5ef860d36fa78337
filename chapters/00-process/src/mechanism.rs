//! What a launch is made of: mechanisms, each with a hook for each moment, and one root.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sched::CloneFlags;
use nix::unistd::Pid;

use crate::channel::Handed;
use crate::door::Door;
use crate::kernel::{Kernel, Result};
use crate::record::Record;
use crate::wait::Ended;

/// What is settled before the child is born.
#[derive(Debug)]
pub struct Birth {
    /// The namespaces that it is born into.
    pub namespaces: CloneFlags,
    /// The cgroup (v2) that it is born into.
    pub cgroup: Option<OwnedFd>,
    /// The cgroups (v1) that it enters before anything else.
    pub doors: Vec<Door>,
    pub(crate) records: Vec<Record>,
}

impl Birth {
    /// Born into everything that its parent is in.
    pub(crate) fn plain() -> Self {
        Self { namespaces: CloneFlags::empty(), cgroup: None, doors: Vec::new(), records: Vec::new() }
    }

    /// The child will have this namespace to itself.
    pub fn needs(&mut self, namespace: CloneFlags) {
        self.namespaces |= namespace;
    }

    /// What the mechanism is about to make outlives the launch, and is recorded: its `cleanup` will be asked to
    /// remove it, here or in another process.
    pub fn leaves(&mut self, record: Record) {
        self.records.push(record);
    }
}

/// The child, as the host sees it while it waits.
#[derive(Debug)]
pub struct Child<'a> {
    /// Its number in the host's pid namespace.
    pub pid: Pid,
    /// The process itself.
    pub pidfd: BorrowedFd<'a>,
    pub(crate) handed: Vec<(String, OwnedFd)>,
}

impl Child<'_> {
    /// Sends a descriptor in, for the same mechanism's `open`.
    pub fn hand(&mut self, name: &str, descriptor: OwnedFd) {
        self.handed.push((name.into(), descriptor));
    }

    pub(crate) fn handed(&self) -> (Vec<String>, Vec<RawFd>) {
        self.handed.iter().map(|(name, descriptor)| (name.clone(), descriptor.as_raw_fd())).unzip()
    }
}

/// One thing that makes a process more of a container.
pub trait Mechanism {
    /// Its chapter and name, as `--explain` shows it.
    const NAME: &'static str;
    /// What `open` found on the host and `enter` uses inside.
    type Opened;

    /// Host, before clone.
    ///
    /// # Errors
    /// What this machine or user can't have.
    fn prepare(&mut self, _k: &Kernel, _birth: &mut Birth) -> Result<()> {
        Ok(())
    }
    /// Host, while the child waits: what only the host may do.
    ///
    /// # Errors
    /// The call that failed.
    fn supervise(&mut self, _k: &Kernel, _child: &mut Child<'_>) -> Result<()> {
        Ok(())
    }
    /// Child: the ids are mapped, the host's paths still visible.
    ///
    /// # Errors
    /// The call that failed.
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Self::Opened>;
    /// Child: the new root is in place.
    ///
    /// # Errors
    /// The call that failed.
    fn enter(&self, _k: &Kernel, _opened: Self::Opened) -> Result<()> {
        Ok(())
    }
    /// Child: nothing is mounted any more; privileges are given up.
    ///
    /// # Errors
    /// The call that failed.
    fn seal(&self, _k: &Kernel) -> Result<()> {
        Ok(())
    }
    /// Host, after the end: how it ended and why, read before anything is removed. It may add to what is told.
    ///
    /// # Errors
    /// The call that failed; the command's own end is told all the same.
    fn outcome(&mut self, _k: &Kernel, _end: &mut Result<Ended>) -> Result<()> {
        Ok(())
    }
    /// Host: removes `left`, which `prepare` has recorded. The normal end takes this way, and so does another
    /// process after a crash; so there is no `self`, only the record. What is gone already is no error.
    ///
    /// # Errors
    /// The call that failed: the record stays.
    fn cleanup(_k: &Kernel, _left: &str) -> Result<()> {
        Ok(())
    }
}

/// What a launch has exactly one of: its `/`.
pub trait Root {
    /// Its chapter and name.
    const NAME: &'static str;

    /// Host, while the child waits.
    ///
    /// # Errors
    /// The call that failed.
    fn supervise(&mut self, _k: &Kernel, _child: &mut Child<'_>) -> Result<()> {
        Ok(())
    }
    /// Child: what will become `/`.
    ///
    /// # Errors
    /// The call that failed.
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Option<OwnedFd>>;
    /// Child: how it becomes `/`.
    ///
    /// # Errors
    /// The call that failed.
    fn switch(&self, k: &Kernel, root: Option<OwnedFd>) -> Result<()>;
}

/// Chapter 00's root: the one that there is.
#[derive(Debug)]
pub struct SameRoot;

impl Root for SameRoot {
    const NAME: &'static str = "00-process";
    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<Option<OwnedFd>> {
        Ok(None)
    }
    fn switch(&self, _: &Kernel, _: Option<OwnedFd>) -> Result<()> {
        Ok(())
    }
}

/// The list of a launch's mechanisms: `()` is empty, [`With`] adds one at the end.
pub trait Chain {
    /// What all of them opened.
    type Opened;
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()>;
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()>;
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Self::Opened>;
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn enter(&self, k: &Kernel, opened: Self::Opened) -> Result<()>;
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn seal(&self, k: &Kernel) -> Result<()>;
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn outcome(&mut self, k: &Kernel, end: &mut Result<Ended>) -> Result<()>;
    /// Each record goes to the mechanism that it names, the last one first.
    #[allow(clippy::missing_errors_doc)]
    fn cleanup(k: &Kernel, records: Vec<Record>) -> Result<()>;
}

impl Chain for () {
    type Opened = ();
    fn prepare(&mut self, _: &Kernel, _: &mut Birth) -> Result<()> {
        Ok(())
    }
    fn supervise(&mut self, _: &Kernel, _: &mut Child<'_>) -> Result<()> {
        Ok(())
    }
    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }
    fn enter(&self, _: &Kernel, (): ()) -> Result<()> {
        Ok(())
    }
    fn seal(&self, _: &Kernel) -> Result<()> {
        Ok(())
    }
    fn outcome(&mut self, _: &Kernel, _: &mut Result<Ended>) -> Result<()> {
        Ok(())
    }
    fn cleanup(_: &Kernel, _: Vec<Record>) -> Result<()> {
        Ok(())
    }
}

/// A list and one mechanism more.
#[derive(Debug)]
pub struct With<C, M>(pub C, pub M);

impl<C: Chain, M: Mechanism> Chain for With<C, M> {
    type Opened = (C::Opened, M::Opened);
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        self.0.prepare(k, birth)?;
        k.by(M::NAME);
        self.1.prepare(k, birth)
    }
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        self.0.supervise(k, child)?;
        k.by(M::NAME);
        self.1.supervise(k, child)
    }
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Self::Opened> {
        let before = self.0.open(k, handed)?;
        k.by(M::NAME);
        Ok((before, self.1.open(k, handed)?))
    }
    fn enter(&self, k: &Kernel, (before, mine): Self::Opened) -> Result<()> {
        self.0.enter(k, before)?;
        k.by(M::NAME);
        self.1.enter(k, mine)
    }
    fn seal(&self, k: &Kernel) -> Result<()> {
        self.0.seal(k)?;
        k.by(M::NAME);
        self.1.seal(k)
    }
    fn outcome(&mut self, k: &Kernel, end: &mut Result<Ended>) -> Result<()> {
        let before = self.0.outcome(k, end);
        k.by(M::NAME);
        before.and(self.1.outcome(k, end))
    }
    fn cleanup(k: &Kernel, records: Vec<Record>) -> Result<()> {
        let (mine, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.kind == M::NAME);
        k.by(M::NAME);
        // One that can't be removed is no reason to leave the others.
        let mine = mine.into_iter().rev().map(|record| {
            M::cleanup(k, &record.what)?;
            k.why("it is gone: nobody has to clean it any more").forget(record)
        });
        let mine = mine.fold(Ok(()), Result::and);
        mine.and(C::cleanup(k, others))
    }
}

/// A mechanism that this launch may do without (`--only`).
impl<M: Mechanism> Mechanism for Option<M> {
    const NAME: &'static str = M::NAME;
    type Opened = Option<M::Opened>;
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        self.as_mut().map_or(Ok(()), |m| m.prepare(k, birth))
    }
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        self.as_mut().map_or(Ok(()), |m| m.supervise(k, child))
    }
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Self::Opened> {
        self.as_ref().map(|m| m.open(k, handed)).transpose()
    }
    fn enter(&self, k: &Kernel, opened: Self::Opened) -> Result<()> {
        self.as_ref().zip(opened).map_or(Ok(()), |(m, opened)| m.enter(k, opened))
    }
    fn seal(&self, k: &Kernel) -> Result<()> {
        self.as_ref().map_or(Ok(()), |m| m.seal(k))
    }
    fn outcome(&mut self, k: &Kernel, end: &mut Result<Ended>) -> Result<()> {
        self.as_mut().map_or(Ok(()), |m| m.outcome(k, end))
    }
    fn cleanup(k: &Kernel, left: &str) -> Result<()> {
        M::cleanup(k, left)
    }
}

/// A root that this launch may do without: then it keeps the one that there is.
impl<R: Root> Root for Option<R> {
    const NAME: &'static str = R::NAME;
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        self.as_mut().map_or(Ok(()), |root| root.supervise(k, child))
    }
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Option<OwnedFd>> {
        self.as_ref().map_or(Ok(None), |root| root.open(k, handed))
    }
    fn switch(&self, k: &Kernel, opened: Option<OwnedFd>) -> Result<()> {
        self.as_ref().map_or(Ok(()), |root| root.switch(k, opened))
    }
}
