//! Explains a failed TLS handshake to operators.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of rustls are not ours, and are many"
)]

use std::io;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// Adds to the error of a handshake what to do, if that is known.
pub(super) fn explain(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner.map(meaning) {
        Some(meaning) => io::Error::new(error.kind(), meaning),
        None => error,
    }
}

fn meaning(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("invalid server certificate: {}", reason(error)),
        Error::InvalidMessage(_) => {
            "the server does not speak TLS: check the port, or, if the server speaks HTTP, write a URL \
                                     with `http` (for the authorization server in demo mode only)"
                .to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            format!(
                "{error}: the server may require a client certificate, or support none of the TLS versions and cipher \
                 suites of the service: set `client.certificate_file`, or enable TLS 1.2 or 1.3 at the server"
            )
        }
        error => error.to_string(),
    }
}

fn reason(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "no trusted certificate authority has signed it, or the server does not send the \
                                            intermediate certificate: set `authorization_server.ca_file` (for a collector, \
                                            OTEL_EXPORTER_OTLP_CERTIFICATE) to a PEM file with the certificate of the authority"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "its signature is not that of the trusted certificate authority with the same name, which \
                                           may have a new key: set `authorization_server.ca_file` (for a collector, \
                                           OTEL_EXPORTER_OTLP_CERTIFICATE) to a PEM file with its present certificate"
                .to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it expired on {}: configure the server with a new one", date(*not_after))
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "it is not valid before {}, and this machine's clock says {}: compare the clocks",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            let hosts: Vec<&str> = presented.iter().filter_map(|name| host(name)).collect();
            match hosts.is_empty() {
                true => format!(
                    "it is not for the name {expected}, and names no host: configure the server with a certificate for \
                     the name in the URL"
                ),
                false => format!(
                    "it is not for the name {expected}, but for {}: write a URL with a name of the certificate, or \
                     configure the server with a certificate for the name in the URL",
                    hosts.join(", ")
                ),
            }
        }
        // The verifier has a private error type for these.
        CertificateError::Other(error) => match error.to_string().as_str() {
            "CaUsedAsEndEntity" => {
                "it is the certificate of a certificate authority (`CA:TRUE`): configure the server with a \
                                    certificate that the authority signed, or that has `CA:FALSE`"
                    .to_owned()
            }
            "UnsupportedCertVersion" => {
                "it has X.509 version 1, and so no subjectAltName: configure the server with a certificate of \
                                         version 3 with a subjectAltName"
                    .to_owned()
            }
            error => error.to_owned(),
        },
        error => error.to_string(),
    }
}

/// The host in a name of a certificate, which rustls describes as `DnsName("…")` or `IpAddress(…)`. `None`: the name is of
/// another kind.
fn host(name: &str) -> Option<&str> {
    let dns_name = name
        .strip_prefix("DnsName(\"")
        .and_then(|name| name.strip_suffix("\")"));
    dns_name.or_else(|| name.strip_prefix("IpAddress(")?.strip_suffix(')'))
}

fn date(time: UnixTime) -> String {
    HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_has_expired_is_told_with_its_date() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expired = CertificateError::ExpiredContext {
            time: at(1_800_000_000),
            not_after: at(1_700_000_000),
        };
        assert_eq!(
            reason(&expired),
            "it expired on Tue, 14 Nov 2023 22:13:20 GMT: configure the server with a new one"
        );
        let early = CertificateError::NotValidYetContext {
            time: at(1_700_000_000),
            not_before: at(1_800_000_000),
        };
        assert_eq!(
            reason(&early),
            "it is not valid before Fri, 15 Jan 2027 08:00:00 GMT, and this machine's clock says Tue, 14 Nov 2023 \
             22:13:20 GMT: compare the clocks"
        );
    }

    #[test]
    fn a_certificate_for_other_names_is_told_with_the_hosts_among_them() {
        let reason = |presented: &[&str]| {
            reason(&CertificateError::NotValidForNameContext {
                expected: "login.example.com".try_into().unwrap(),
                presented: presented.iter().map(|name| (*name).to_owned()).collect(),
            })
        };
        assert_eq!(
            reason(&[
                "DnsName(\"www.example.com\")",
                "DirectoryName",
                "IpAddress(192.0.2.1)",
                "DnsName(\"*.example.net\")"
            ]),
            "it is not for the name login.example.com, but for www.example.com, 192.0.2.1, *.example.net: write a URL with a \
             name of the certificate, or configure the server with a certificate for the name in the URL"
        );
        for presented in [&[][..], &["UniformResourceIdentifier(\"spiffe://a/b\")"]] {
            assert_eq!(
                reason(presented),
                "it is not for the name login.example.com, and names no host: configure the server with a certificate for the \
                 name in the URL"
            );
        }
    }
}
