//! Every way of moving bytes, over real descriptors, against the same model: what arrives is what
//! was given, in order, once; and where it is not all of it, the outcome says why.
#![cfg(target_os = "linux")]

mod faults;
mod moves;
mod rig;
