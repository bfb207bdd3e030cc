//! What a command is told about its connection.

use conn::ConnInfo;
use plan::{Connect, Listen, Transport};

/// What is known before there is a connection.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    protocol: &'static str,
    is_unix: bool,
    /// Host (or path) and port as the user typed them; only when we connect.
    target: Option<(String, String)>,
    /// Datagrams: the peer never says that it has ended.
    pub(crate) is_message: bool,
    pub(crate) listens: bool,
}

impl Facts {
    pub(crate) fn of_connect(spec: &Connect) -> Self {
        let port = match spec.vsock {
            Some(at) => at.port.to_string(),
            None if spec.transport.is_unix() => String::new(),
            None => spec.port.to_string(),
        };
        Self { target: Some((spec.host.clone(), port)), ..Self::new(spec.transport, false) }
    }

    pub(crate) fn of_listen(spec: &Listen) -> Self {
        Self::new(spec.transport, true)
    }

    fn new(transport: Transport, listens: bool) -> Self {
        Self {
            // As Ncat has it, for Unix sockets too.
            protocol: match transport {
                Transport::Sctp => "SCTP",
                _ if transport.is_message() => "UDP",
                _ => "TCP",
            },
            is_unix: transport.is_unix(),
            target: None,
            is_message: transport.is_message(),
            listens,
        }
    }

    /// The variables of one connection.
    pub(crate) fn variables(&self, info: &ConnInfo) -> Vec<(&'static str, String)> {
        let (remote_addr, remote_port) = self.split(&info.peer);
        let (local_addr, local_port) = self.split(&info.local);
        let mut variables = vec![
            ("NCAT_REMOTE_ADDR", remote_addr),
            ("NCAT_REMOTE_PORT", remote_port),
            ("NCAT_LOCAL_ADDR", local_addr),
            ("NCAT_LOCAL_PORT", local_port),
            ("NCAT_PROTO", self.protocol.to_owned()),
        ];
        if let Some((host, port)) = &self.target {
            variables.push(("NCAT_TARGET_ADDR", host.clone()));
            variables.push(("NCAT_TARGET_PORT", port.clone()));
        }
        variables.extend(info.secured.iter().cloned());
        variables
    }

    /// Address and port. Ncat's words for a Unix socket are `localhost` and nothing.
    fn split(&self, name: &str) -> (String, String) {
        if self.is_unix {
            return ("localhost".into(), String::new());
        }
        let (host, port) = name.rsplit_once(':').unwrap_or((name, ""));
        (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_without_brackets() {
        let facts = Facts::new(Transport::Udp, true);
        let info = ConnInfo {
            peer: "[fe80::1%2]:80".into(),
            local: "192.0.2.7:8080".into(),
            secured: vec![("NCAT_TLS_VERSION", "TLSv1.3".into())],
            ..ConnInfo::default()
        };
        let variables = facts.variables(&info);
        let value = |name| variables.iter().find(|v| v.0 == name).map(|v| v.1.as_str());
        assert_eq!(value("NCAT_REMOTE_ADDR"), Some("fe80::1%2"));
        assert_eq!(value("NCAT_REMOTE_PORT"), Some("80"));
        assert_eq!(value("NCAT_LOCAL_ADDR"), Some("192.0.2.7"));
        assert_eq!(value("NCAT_LOCAL_PORT"), Some("8080"));
        assert_eq!(value("NCAT_PROTO"), Some("UDP"));
        assert_eq!(value("NCAT_TARGET_ADDR"), None);
        assert_eq!(value("NCAT_TLS_VERSION"), Some("TLSv1.3"));
    }
}
