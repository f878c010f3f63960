//! The entry points of the fuzz targets, which only their builds contain.

use super::endpoints::page_url::PageUrl;
use crate::config::ResponseMode;

/// The kind of a page's URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageUrlKind {
    /// No authorization response.
    Ordinary,
    /// A plain authorization response.
    Plain,
    /// An authorization response as a JWT.
    Signed,
}

/// Parses a page's URL; `None` if it is refused. `is_signed`: the response mode is `jwt`.
pub fn parse_page_url(page_url: &str, is_signed: bool) -> Option<PageUrlKind> {
    let mode = match is_signed {
        true => ResponseMode::Jwt,
        false => ResponseMode::Query,
    };
    Some(match PageUrl::parse(page_url, mode).ok()? {
        PageUrl::Ordinary(_) => PageUrlKind::Ordinary,
        PageUrl::Response(_) => PageUrlKind::Plain,
        PageUrl::Signed(_) => PageUrlKind::Signed,
    })
}
