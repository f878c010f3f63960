//! What the fuzz targets call, and nobody else: it is there only in their builds.

use super::endpoints::page_url::PageUrl;
use crate::config::ResponseMode;

/// What came out of a page's URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageUrlKind {
    /// No authorization response.
    Ordinary,
    /// A plain response.
    Plain,
    /// One that comes as a JWT.
    Signed,
}

/// Reads a page's URL; `None`: refused. `signed`: a JWT was asked for.
pub fn page_url(text: &str, signed: bool) -> Option<PageUrlKind> {
    let mode = match signed {
        true => ResponseMode::Jwt,
        false => ResponseMode::Query,
    };
    Some(match PageUrl::parse(text, mode).ok()? {
        PageUrl::Ordinary(_) => PageUrlKind::Ordinary,
        PageUrl::Response(_) => PageUrlKind::Plain,
        PageUrl::Signed(_) => PageUrlKind::Signed,
    })
}
