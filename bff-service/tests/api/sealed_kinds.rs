//! Every kind of sealed value in the place of every other kind: each is accepted only in its own place, although all are
//! sealed with the same keys and pass through the same browser.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Content, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;

use crate::navigation::{ON, authorize, go};
use crate::support::app::{AT, AUTH, CSRF, ID, KEYS, LOGIN, NAV, POST_LOGOUT_REDIRECT_URI, TestApp};
use crate::support::browser::Browser;
use crate::support::forgery::now;

/// What is sealed, and how.
struct Kind {
    name: &'static str,
    /// What the service seals it for.
    deployment: &'static str,
    purpose: Purpose,
}

impl Kind {
    const fn cookie(name: &'static str, purpose: Purpose) -> Kind {
        Kind {
            name,
            deployment: "example",
            purpose,
        }
    }

    fn sealer(&self) -> Sealer {
        Sealer::new(KeyRing::parse(KEYS, false).unwrap().0, self.deployment, false)
    }

    fn open(&self, sealed: &str) -> (Vec<u8>, SessionId) {
        let opened = self.sealer().open(self.purpose, sealed.as_bytes(), now()).unwrap();
        (opened.value.to_vec(), opened.session.unwrap())
    }

    fn seal(&self, (value, session): &(Vec<u8>, SessionId)) -> String {
        let content = Content {
            value,
            session: *session,
            began_at: now() - 10,
            expires_at: now() + 300,
        };
        let nonce = bff_service::random::bytes().unwrap();
        self.sealer().seal(self.purpose, &content, nonce).unwrap()
    }
}

const KINDS: [Kind; 8] = [
    Kind::cookie(AT, Purpose::AccessToken),
    Kind::cookie(CSRF, Purpose::Csrf),
    Kind::cookie(AUTH, Purpose::RefreshToken),
    Kind::cookie(ID, Purpose::IdToken),
    Kind::cookie(LOGIN, Purpose::Login),
    Kind::cookie(NAV, Purpose::NavigationLogin),
    Kind {
        name: "state of a logout",
        deployment: "example#logout",
        purpose: Purpose::Login,
    },
    Kind {
        name: "outcome of a refresh",
        deployment: "example#refresh",
        purpose: Purpose::RefreshToken,
    },
];

/// The places are the kinds' own, but for the last: what is sealed for other replicas comes from no browser, and the `csrf`
/// parameter of `/logout` takes nothing that is sealed.
const CSRF_PARAMETER: &str = "outcome of a refresh";

/// A signed-in browser with a login under way by a page and one by navigation.
struct Fixture<'a> {
    browser: Browser<'a>,
    page_url: String,
    callback: String,
    logout_state: String,
}

impl<'a> Fixture<'a> {
    fn new(app: &'a TestApp) -> Fixture<'a> {
        let mut browser = app.signed_in();
        let page_url = browser.authorize("alice").to_string();
        let callback = authorize(&mut browser, "/login");
        let signed_out = app.signed_in().post("/logout").json();
        let logout_url = signed_out["url"].as_str().unwrap();
        let logout_url = url::Url::parse(logout_url).unwrap();
        let state = logout_url.query_pairs().find(|(name, _)| name == "state").unwrap().1;
        Fixture {
            browser,
            page_url,
            callback,
            logout_state: state.into_owned(),
        }
    }

    /// A genuine value of this kind.
    fn genuine(&self, kind: &Kind) -> String {
        match kind.name {
            "state of a logout" => self.logout_state.clone(),
            // As good as any: with the session and the refresh token of this browser.
            "outcome of a refresh" => kind.seal(&KINDS[2].open(self.browser.cookie(AUTH))),
            name => self.browser.cookie(name).to_owned(),
        }
    }

    /// Whether `value`, which holds `content`, is taken where `place` belongs.
    fn is_taken(&self, place: &str, value: &str, content: &[u8]) -> bool {
        let mut browser = self.browser.clone();
        if browser.cookie_names().contains(&place) {
            browser.replace_cookie(place, value);
        }
        match place {
            AT => {
                // The CSRF cookie would say whose the session is, too.
                browser.remove_cookie(CSRF);
                browser.get("/session").json()["isLoggedIn"] == true
            }
            CSRF => {
                browser.remove_cookie(AT);
                browser.csrf = Some(String::from_utf8(content.to_vec()).unwrap());
                browser.post("/refresh").status == 204
            }
            AUTH => browser.post("/refresh").status == 204,
            ID => browser.get("/claims").status == 200,
            LOGIN => browser.load_page(&self.page_url).status == 200,
            NAV => go(&mut browser, &self.callback)
                .cookie_changes()
                .contains(&AT.to_owned()),
            "state of a logout" => {
                let page_url = format!("{POST_LOGOUT_REDIRECT_URI}?state={value}");
                browser.load_page(&page_url).json()["handled"] == true
            }
            CSRF_PARAMETER => go(&mut browser, &format!("/logout?csrf={value}")).status == 302,
            _ => unreachable!("{place}"),
        }
    }
}

/// All that are wrong, and then the one that is right: what is taken may be used up.
fn wrong_ones_first(place: usize) -> impl Iterator<Item = usize> {
    (0..KINDS.len()).filter(move |kind| *kind != place).chain([place])
}

#[test]
fn what_is_sealed_is_taken_in_its_own_place_and_in_no_other() {
    let app = TestApp::start_with(ON);
    for (index, place) in KINDS.iter().enumerate() {
        let fixture = Fixture::new(&app);
        for other in wrong_ones_first(index) {
            let kind = &KINDS[other];
            let value = fixture.genuine(kind);
            assert_eq!(
                fixture.is_taken(place.name, &value, &kind.open(&value).0),
                other == index && place.name != CSRF_PARAMETER,
                "{} in the place of {}",
                kind.name,
                place.name
            );
        }
    }
}

#[test]
fn what_belongs_in_a_place_is_not_taken_there_when_it_is_sealed_as_something_else() {
    let app = TestApp::start_with(ON);
    for (index, place) in KINDS.iter().enumerate() {
        let fixture = Fixture::new(&app);
        let content = match place.name {
            CSRF_PARAMETER => KINDS[1].open(fixture.browser.cookie(CSRF)),
            _ => place.open(&fixture.genuine(place)),
        };
        for other in wrong_ones_first(index) {
            assert_eq!(
                fixture.is_taken(place.name, &KINDS[other].seal(&content), &content.0),
                other == index && place.name != CSRF_PARAMETER,
                "what belongs in {}, sealed as {}",
                place.name,
                KINDS[other].name
            );
        }
    }
}

#[test]
fn the_csrf_parameter_is_the_value_itself() {
    let app = TestApp::start_with(ON);
    let fixture = Fixture::new(&app);
    let csrf = fixture.browser.csrf.clone().unwrap();
    assert!(fixture.is_taken(CSRF_PARAMETER, &csrf, b""));
}
