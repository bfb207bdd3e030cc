//! Addresses between virtual machines and their host.

/// "Any", as a machine to listen for and as a port.
pub const VSOCK_ANY: u32 = u32::MAX;

/// Where a vsock socket points.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VsockSpec {
    /// The machine to reach or, when listening, to be reached as; [`VSOCK_ANY`] = as any.
    pub cid: u32,
    /// The port; 0 when listening = one chosen by the system.
    pub port: u32,
    /// `-s`: the machine number to come from.
    pub source_cid: Option<u32>,
    /// `-p`: the port to come from.
    pub source_port: Option<u32>,
}
