//! Small models built with the messages themselves.
