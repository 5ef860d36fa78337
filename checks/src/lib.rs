//! What every chapter's checks share: stages, roll call, canaries, verdicts, the ladder.
