//! The guide: tour, doctor, ladder, clean.
