//! Thousands of exchanges with a misbehaving server: each response is that of its own request, or an error.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::authority::tls;
use super::unruly_server::{self, Seeded, UNASKED};
use super::{Client, HttpError, Sharing, client, get};
use crate::http_client::Proxy;

const SEED: u64 = 0x0005_eed0_fa11_7e57;
/// Number of concurrent exchanges.
const USERS: u64 = 8;

/// Performs this many exchanges with a lying server, on separate connections, and with an honest one, on shared
/// connections. Returns the number of responses.
async fn exchange(client: Client, lying: String, other: String, count: u64) -> u64 {
    let answered = Rc::new(Cell::new(0));
    let users = (0..USERS).map(|user| {
        let (client, [lying, other], answered) = (client.clone(), [lying.clone(), other.clone()], Rc::clone(&answered));
        actix_web::rt::spawn(async move {
            let mut seeded = Seeded(SEED ^ (user + 1));
            for number in 0..count / USERS {
                let (sharing, origin) = match seeded.below(2) {
                    0 => (Sharing::Shared, &other),
                    _ => (Sharing::Own, &lying),
                };
                let asked = format!("{user}-{number}");
                let url = format!("{origin}/{asked}");
                let exchange = get(&client, &url, sharing);
                let result = match seeded.below(20) {
                    // A waiting caller may disconnect at any time.
                    0 => match tokio::time::timeout(Duration::from_micros(seeded.below(3000)), exchange).await {
                        Ok(result) => result,
                        Err(_) => continue,
                    },
                    _ => exchange.await,
                };
                match result {
                    // The response was sent before the request, on a new connection.
                    Ok(response) if sharing == Sharing::Own && response.body == UNASKED => {}
                    Ok(response) => {
                        assert_eq!(String::from_utf8_lossy(&response.body), asked, "{sharing:?}");
                        answered.set(answered.get() + 1);
                    }
                    Err(HttpError::Broken(_) | HttpError::Status { .. }) => {}
                    Err(error) => panic!("{asked}: {error}"),
                }
            }
        })
    });
    for user in users.collect::<Vec<_>>() {
        user.await.unwrap();
    }
    answered.get()
}

#[actix_web::test]
async fn ten_thousand_exchanges_with_unruly_servers_are_answered_each_with_its_own_answer_or_an_error() {
    let origin = |is_lying| format!("http://{}", unruly_server::start(SEED, None, is_lying));
    let (_, unused) = tls("login.example.localhost");
    let client = client(&unused, &Proxy::default());
    let answered = exchange(client, origin(true), origin(false), 10_000).await;
    assert!((5000..10_000).contains(&answered), "{answered} were answered");
}

#[actix_web::test]
async fn over_tls_each_exchange_with_unruly_servers_is_answered_with_its_own_answer_or_an_error() {
    let (server, trusting) = tls("login.example.localhost");
    let origin = |is_lying| {
        let address = unruly_server::start(SEED, Some(server.clone()), is_lying);
        format!("https://login.example.localhost:{}", address.port())
    };
    let client = client(&trusting, &Proxy::default());
    let answered = exchange(client, origin(true), origin(false), 1000).await;
    assert!((500..1000).contains(&answered), "{answered} were answered");
}
