//! Holds the integration tests together; see the files beside it.
