//! LemonLDAP::NG, from Debian's packages: its own are those of Debian 13, which contain no compiled code, and what they need is
//! this machine's. Debian 12 has a version without back-channel logout.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use demo_system::files;

use super::debian;
use crate::result::Result;
use crate::stamp::Stamp;
use crate::tools::node::Node;
use crate::workspace;

const RELEASE: &str = "trixie";
const OWN: [&str; 3] = [
    "liblemonldap-ng-portal-perl",
    "liblemonldap-ng-handler-perl",
    "liblemonldap-ng-common-perl",
];
/// The portal, for the packages that it depends on; then the server, the storage of users, and what Debian only recommends.
const NEEDED: [&str; 18] = [
    "liblemonldap-ng-portal-perl",
    "starman",
    "libplack-middleware-reverseproxy-perl",
    "libdbi-perl",
    "libdbd-sqlite3-perl",
    "libapache-session-browseable-perl",
    "libconvert-base32-perl",
    "libconvert-pem-perl",
    "libcookie-baker-xs-perl",
    "libcrypt-jwt-perl",
    "libdigest-hmac-perl",
    "libemail-sender-perl",
    "libhtml-formattext-withlinks-perl",
    "libio-socket-timeout-perl",
    "libio-string-perl",
    "libjson-perl",
    "libmime-tools-perl",
    "libstring-random-perl",
];

/// Fetches LemonLDAP::NG. The value is the folder with the packages in `root`.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let folder = workspace::tools().join("lemonldap");
    let stamp = Stamp::new(folder.join("stamp"), [&OWN[..], &NEEDED].concat().join("\n"));
    if !stamp.is_current() {
        prepare(&folder)?;
        stamp.set()?;
    }
    Ok(("INTEROP_LEMONLDAP", folder.into()))
}

fn prepare(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("removing {} failed: {error}", folder.display()))?;
    }
    let (own, needed, root) = (folder.join("own"), folder.join("needed"), folder.join("root"));
    debian::download_all(&NEEDED, &needed)?;
    debian::download_from(RELEASE, &OWN, &own)?;
    debian::unpack(&needed, &["liblemonldap-ng-", "lemonldap-ng-"], &root)?;
    debian::unpack(&own, &[], &root)?;
    Ok(files::write(&folder.join("version"), debian::version(OWN[0], &own)?)?)
}
