//! The real nginx, with the configuration of `docs/authorize/nginx.conf`.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use demo_system::Ports;

use crate::repository;
use crate::setup::eventually;

/// A running nginx.
pub struct Nginx {
    /// Its address.
    pub address: SocketAddr,
    process: Child,
}

impl Nginx {
    /// Starts it in a folder, in front of an API and of the service's admin listener.
    pub fn start(folder: &Path, api: SocketAddr, bff_admin: SocketAddr) -> Self {
        let program = std::env::var_os("NGINX").expect("missing NGINX: run the tests with `cargo xtask test`");
        let address = SocketAddr::from(([127, 0, 0, 1], Ports::free().public));
        let mut text = repository::text("docs/authorize/nginx.conf");
        for (find, with) in [
            ("listen 127.0.0.1:8080;", format!("listen {address};")),
            ("http://127.0.0.1:3002", format!("http://{api}")),
            ("http://127.0.0.1:3005", format!("http://{bff_admin}")),
        ] {
            assert_eq!(
                text.matches(find).count(),
                1,
                "invalid docs/authorize/nginx.conf: it must contain `{find}` once: restore it, or change tests/src/nginx.rs"
            );
            text = text.replace(find, &with);
        }
        let file = folder.join("nginx.conf");
        std::fs::write(&file, text).expect("written");
        let log = std::fs::File::create(folder.join("nginx.log")).expect("a log");
        let process = Command::new(program)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&file)
            // Before it reads the configuration, nginx uses another log file.
            .args(["-e", "stderr"])
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { address, process };
        eventually("nginx listens", || TcpStream::connect(address).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that its workers exit with it.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}
