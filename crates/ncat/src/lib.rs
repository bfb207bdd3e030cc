//! The drop-in `ncat`: options, messages, exit codes.
