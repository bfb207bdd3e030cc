//! SCTP, vsock and source routes.

use plan::{RawFamily, RawTransport};

use super::super::item::{Group, Item};

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::flag(|raw| raw.family = Some(RawFamily::Vsock))
        .long("vsock")
        .doc(Group::Addresses, "Use vsock sockets only")
        .more(
            "Operands: a machine number (CID), or any, local (1), host (2), and perhaps a port of up to \
             4294967295. When listening: a port, or a CID and a port; -s takes a CID. Needs a kernel with \
             vsock and a transport that reaches the machine. Streams only: with -u the kernel's refusal \
             is told.",
        )
        .differs(
            "a lone operand of a listener is a port, as Ncat documents it, where Ncat takes it for a CID; \
             CID PORT says both; machines have names",
            "a_lone_vsock_listen_operand_is_a_port",
        ),
    Item::flag(|raw| raw.transport = Some(RawTransport::Sctp))
        .long("sctp")
        .doc(Group::Addresses, "Use SCTP instead of default TCP")
        .more(
            "One-to-one style, as a stream of bytes. SCTP cannot end one direction alone: at the end of \
             input a client waits for answers until none has come for 4s, then ends the association; a \
             listener goes on until its client ends. --send-only ends it as soon as all has arrived, -q \
             after its time, --no-shutdown not at all. Needs a kernel with SCTP.",
        )
        .better(
            "answers that come after the end of input arrive, where Ncat exits at once; what was sent has \
             arrived before exit code 0",
            "sctp_stdin_ends_plain",
        ),
    Item::with_value("hops", |raw, given| {
        raw.route.hops.push(given.text()?.to_owned());
        Ok(())
    })
    .short('g')
    .long("g")
    .doc(Group::Addresses, "Loose source routing hop points (8 max)")
    .more(
        "A list with commas of IPv4 addresses or names; repeats add up. Needs -4. Linux hosts drop such \
         packets unless net.ipv4.conf.*.accept_source_route says otherwise, and so do most routers.",
    )
    .better(
        "a route that the system refuses ends with an error, where Ncat connects by another way",
        "packets_carry_the_route",
    ),
    Item::with_value("n", |raw, given| {
        raw.route.pointers.push(given.text()?.to_owned());
        Ok(())
    })
    .short('G')
    .long("G")
    .doc(Group::Addresses, "Loose source routing hop pointer (4, 8, 12, ...)")
    .more("Default 4, the first hop, which is all that Linux takes.")
    .better(
        "a pointer that the system refuses ends with an error, where Ncat sends no route at all",
        "a_pointer_that_linux_refuses_is_an_error",
    ),
];
