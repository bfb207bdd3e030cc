//! Rows about `--starttls`.

use super::Row;
use crate::{RawFamily, RawTransport, StartTls};

pub(super) const REFUSED: &[Row] = &[
    (
        "--starttls with -l",
        |raw| {
            raw.tls.starttls = Some(StartTls::Smtp);
            raw.listen = true;
        },
        "Invalid option combination: --starttls with -l. QUITTING.",
    ),
    (
        "--starttls with -u",
        |raw| {
            raw.tls.starttls = Some(StartTls::Smtp);
            raw.transport = Some(RawTransport::Udp);
        },
        "Invalid option combination: --starttls with -u. QUITTING.",
    ),
    (
        "--starttls xmpp with -U or --vsock, without --ssl-servername",
        |raw| {
            raw.tls.starttls = Some(StartTls::Xmpp);
            raw.family = Some(RawFamily::Unix);
        },
        "Invalid option combination: --starttls xmpp without a name of the server. QUITTING.",
    ),
];
