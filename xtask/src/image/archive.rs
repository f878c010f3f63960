//! Archives without any trace of the place and time of the build.

use flate2::{Compression, GzBuilder};

/// An archive of these files, by name.
pub(super) fn tar(files: &[(&str, &[u8])]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, name, *content)?;
    }
    archive.into_inner()
}

/// The bytes, compressed.
pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}
