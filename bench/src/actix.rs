//! What a handler of actix-web costs that does nothing: the measure for the service's own.

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::result::Result;

/// Serves until the process ends.
pub(crate) fn serve(port: &str) -> Result<()> {
    let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    // It reads what is sent, as every handler of a POST does.
    let answer =
        |_: web::Bytes| async { HttpResponse::Ok().json(serde_json::json!({"code": "ok", "message": "nothing"})) };
    actix_web::rt::System::new()
        .block_on(async move {
            HttpServer::new(move || App::new().default_service(web::to(answer)))
                .workers(1)
                .bind(("127.0.0.1", port))?
                .run()
                .await
        })
        .map_err(|error| error.to_string())
}
