//! What is asked of the sockets themselves.

use super::super::item::{Group, Item};
use super::super::{socket_values as sizes, values};

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::flag(|raw| raw.sockets.options.mptcp = true)
        .long("mptcp")
        .doc(Group::Sockets, "Use Multipath TCP where the peer speaks it")
        .more(
            "Falls back to TCP where it does not; -v says which it is. A kernel without MPTCP is an \
             error.",
        )
        .ours("mptcp_is_spoken_or_told_to_have_fallen_back"),
    Item::flag(|raw| raw.sockets.options.nodelay = true)
        .long("nodelay")
        .doc(Group::Sockets, "Send short segments at once")
        .more("TCP_NODELAY: no waiting for the acknowledgement of what went before.")
        .ours("nodelay_and_user_timeout_reach_every_socket"),
    Item::with_value("time[,every[,n]]", |raw, given| {
        raw.sockets.options.keepalive = Some(sizes::keepalive(given)?);
        Ok(())
    })
    .long("keepalive")
    .doc(Group::Sockets, "Ask an idle peer whether it is still there")
    .more(
        "After <time> without a byte, then every <every>, and give up after <n> questions without an \
         answer. Whole seconds; what is left out is the system's choice.",
    )
    .ours("keepalive_timers_run_at_both_ends"),
    Item::with_value("size", |raw, given| {
        raw.sockets.options.send_buffer = Some(sizes::buffer(given)?);
        Ok(())
    })
    .long("sndbuf")
    .doc(Group::Sockets, "Size of the send buffer (64K, 4M)")
    .more(
        "As SO_SNDBUF takes it: Linux grants twice as much for its overhead; -v says how much, and a \
         warning that it is less. With -U too.",
    )
    .ours("buffers_have_the_size_asked_for"),
    Item::with_value("size", |raw, given| {
        raw.sockets.options.receive_buffer = Some(sizes::buffer(given)?);
        Ok(())
    })
    .long("rcvbuf")
    .doc(Group::Sockets, "Size of the receive buffer (64K, 4M)")
    .more("As --sndbuf. Without it, UDP sockets are given 8 MiB where the system allows it.")
    .ours("buffers_have_the_size_asked_for"),
    Item::with_value("n", |raw, given| {
        raw.sockets.tos = Some(sizes::tos(given)?);
        Ok(())
    })
    .long("tos")
    .doc(Group::Sockets, "Type of service, or IPv6 traffic class (0-255)")
    .more("Decimal, or hexadecimal after 0x. With TCP a multiple of 4.")
    .ours("every_packet_carries_the_class_and_the_hops_asked_for"),
    Item::with_value("class", |raw, given| {
        raw.sockets.dscp = Some(sizes::dscp(given)?);
        Ok(())
    })
    .long("dscp")
    .doc(Group::Sockets, "Class of service: EF, CS0-CS7, AF11-AF43 or 0-63")
    .more("The upper six bits of what --tos sets.")
    .ours("every_packet_carries_the_class_and_the_hops_asked_for"),
    Item::with_value("n", |raw, given| {
        raw.sockets.options.ttl = Some(sizes::ttl(given)?);
        Ok(())
    })
    .long("ttl")
    .doc(Group::Sockets, "Time to live, or IPv6 hop limit, of packets sent")
    .more("With -u also of what is sent to a group.")
    .ours("every_packet_carries_the_class_and_the_hops_asked_for"),
    Item::with_value("interface", |raw, given| {
        raw.sockets.options.device = Some(sizes::name(given)?);
        Ok(())
    })
    .long("bind-device")
    .doc(Group::Sockets, "Use only this network interface")
    .ours("only_the_named_interface_is_used"),
    Item::with_value("n", |raw, given| {
        raw.sockets.options.mark = Some(sizes::mark(given)?);
        Ok(())
    })
    .long("mark")
    .doc(Group::Sockets, "Mark packets for routing rules and filters")
    .more("SO_MARK; decimal, or hexadecimal after 0x. Needs CAP_NET_ADMIN.")
    .ours("a_mark_chooses_the_route"),
    Item::flag(|raw| raw.sockets.options.fastopen = true)
        .long("fastopen")
        .doc(Group::Sockets, "Send data with the first segment (TCP Fast Open)")
        .more(
            "Once the server has given a cookie, the next connection to it begins with data where data \
             is there already. That the server does not answer is then noticed only after the session has \
             begun, so only one address is tried. net.ipv4.tcp_fastopen must allow it.",
        )
        .ours("data_travels_with_the_first_segment"),
    Item::with_value("name", |raw, given| {
        raw.sockets.options.congestion = Some(sizes::name(given)?);
        Ok(())
    })
    .long("congestion")
    .doc(Group::Sockets, "Congestion control algorithm (cubic, reno, bbr)")
    .more("An unknown name is an error that lists those there are.")
    .ours("the_congestion_control_is_the_one_named"),
    Item::with_value("n", |raw, given| {
        raw.sockets.options.backlog = Some(sizes::backlog(given)?);
        Ok(())
    })
    .long("backlog")
    .doc(Group::Sockets, "Connections that may wait to be accepted")
    .more("Default 4096; the system's limit is net.core.somaxconn. With -l.")
    .ours("the_backlog_is_the_one_asked_for"),
    Item::with_value("time", |raw, given| {
        raw.sockets.options.user_timeout = Some(values::time("--user-timeout", given)?);
        Ok(())
    })
    .long("user-timeout")
    .doc(Group::Sockets, "Give up when data is not acknowledged for so long")
    .more("TCP_USER_TIMEOUT (RFC 5482).")
    .ours("nodelay_and_user_timeout_reach_every_socket"),
    Item::with_value("size/s[,size/s]", |raw, given| {
        raw.sockets.rate = Some(sizes::rate(given)?);
        Ok(())
    })
    .long("rate")
    .doc(Group::Data, "Bytes a second in each direction (64K/s, 4M/s)")
    .more(
        "One rate for each direction, two for sending and receiving, or send=SIZE/s,recv=SIZE/s. Each \
         connection has its own. After a pause of a fifth of a second or more, what a fifth of a second \
         may carry goes at once. Datagrams stay whole.",
    )
    .ours("a_transfer_takes_the_time_its_rate_says"),
    Item::with_value("n", |raw, given| {
        raw.sockets.ready_fd = Some(sizes::ready_fd(given)?);
        Ok(())
    })
    .long("ready-fd")
    .doc(Group::Listening, "Tell on descriptor <n> that we listen, close it")
    .more(
        "When everything is bound: one line per listener, READY=1 PROTOCOL=tcp PORT=9000 \
         ADDR=127.0.0.1:9000 (a Unix socket has no PORT, and its path to the end of the line). Besides, \
         sockets handed over by LISTEN_FDS (systemd.socket) are used instead of binding, and NOTIFY_SOCKET \
         is told READY=1, STATUS= and STOPPING=1.",
    )
    .ours("the_ready_descriptor_gets_one_line_per_listener"),
];
