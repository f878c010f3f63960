//! The cost of an actix-web handler that does nothing: the reference for the service's handlers.

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::result::Result;

/// Serves until the process exits.
pub(crate) fn serve(port: &str) -> Result<()> {
    let port: u16 = port
        .parse()
        .map_err(|_| format!("invalid port `{port}`: write a number from 1 to 65535"))?;
    // It reads the body, as every handler of a POST does.
    let respond =
        |_: web::Bytes| async { HttpResponse::Ok().json(serde_json::json!({"code": "ok", "message": "nothing"})) };
    actix_web::rt::System::new()
        .block_on(async move {
            HttpServer::new(move || App::new().default_service(web::to(respond)))
                .workers(1)
                .bind(("127.0.0.1", port))?
                .run()
                .await
        })
        .map_err(|error| format!("serving at 127.0.0.1:{port} failed: {error}"))
}
