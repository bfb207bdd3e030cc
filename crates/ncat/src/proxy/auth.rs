//! Who may use the proxy: credentials, where they are asked for.

use proto::http::Request;

use super::Server;
use super::record::Record;
use super::reply::Reply;

impl Server {
    /// Whether an HTTP client has said who it is, where that is asked.
    pub(super) fn admits_http(
        &self,
        _request: &Request,
        _record: &mut Record,
    ) -> Result<(), Reply> {
        Ok(())
    }
}
