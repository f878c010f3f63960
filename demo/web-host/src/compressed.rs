//! The application's scripts, styles and SVG images as gzip, compressed once at startup: a third of the bytes on the way to a
//! browser.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use actix_files::file_extension_to_mime;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, AcceptEncoding, Encoding, Header, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The compressed files, by path.
pub(crate) struct Compressed(HashMap<String, Asset>);

struct Asset {
    content_type: String,
    gzip: web::Bytes,
}

impl Compressed {
    /// Compresses the files in `assets` of the site's folder, whose names change with their content.
    ///
    /// # Errors
    /// Names the file or folder that cannot be read.
    pub(crate) fn of(content_dir: &Path) -> io::Result<Self> {
        let failed =
            |path: &Path, error: io::Error| io::Error::other(format!("reading {} failed: {error}", path.display()));
        let folder = content_dir.join("assets");
        let mut assets = HashMap::new();
        if !folder.is_dir() {
            return Ok(Self(assets));
        }
        for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
            let path = entry.map_err(|error| failed(&folder, error))?.path();
            let extension = path
                .extension()
                .and_then(|extension| extension.to_str())
                .unwrap_or_default();
            let (Some(name), "js" | "css" | "svg") = (path.file_name().and_then(|name| name.to_str()), extension)
            else {
                continue;
            };
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            gzip.write_all(&std::fs::read(&path).map_err(|error| failed(&path, error))?)?;
            let asset = Asset {
                content_type: file_extension_to_mime(extension).to_string(),
                gzip: gzip.finish()?.into(),
            };
            assets.insert(format!("/assets/{name}"), asset);
        }
        Ok(Self(assets))
    }
}

/// Responds with the compressed file if there is one and the request accepts gzip.
pub(crate) async fn serve<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let compressed = request.app_data::<web::Data<Compressed>>().cloned();
    let Some(asset) = compressed.as_ref().and_then(|all| all.0.get(request.path())) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let is_gzip_accepted = AcceptEncoding::parse(&request).is_ok_and(|accepted| {
        accepted.negotiate([Encoding::gzip(), Encoding::identity()].iter()) == Some(Encoding::gzip())
    });
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = match is_gzip_accepted && is_read {
        true => request.into_response(
            HttpResponse::Ok()
                .content_type(asset.content_type.as_str())
                .insert_header((header::CONTENT_ENCODING, "gzip"))
                .body(asset.gzip.clone()),
        ),
        false => next.call(request).await?.map_into_boxed_body(),
    };
    // The response depends on the request's Accept-Encoding (RFC 9110, section 12.5.5).
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}
